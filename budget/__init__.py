"""The arithmetic of GitHub's budgets: what they allow, and what requests cost. No HTTP, no SQL, no clock."""
