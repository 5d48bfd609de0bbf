"""Sends requests to GitHub: chooses the account, reserves its budget, and holds the connection."""
