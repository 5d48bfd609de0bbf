"""What GitHub's budgets allow, and what requests cost. The package only computes: no HTTP, no SQL, no clock of
its own.
"""
