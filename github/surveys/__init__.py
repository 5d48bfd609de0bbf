"""Reads many repositories in one request: counts of their lists, and small repositories with everything in them."""
