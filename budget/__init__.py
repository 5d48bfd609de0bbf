"""The arithmetic of GitHub's budgets: what the budgets allow, and what requests cost. No HTTP, no SQL, no clock."""
