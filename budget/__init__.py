"""What GitHub's budgets allow and what requests cost: pure arithmetic, without HTTP, SQL or a clock of its own."""
