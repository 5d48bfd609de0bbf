"""Sends requests to GitHub: chooses the account, reserves budget, and holds the connections."""
