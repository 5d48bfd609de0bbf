"""How a request gets to GitHub: as which account, within which budget, over which connection."""
