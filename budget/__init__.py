"""What GitHub's budgets allow and what requests cost. Pure computation: no HTTP, no SQL, no clock of its own."""
