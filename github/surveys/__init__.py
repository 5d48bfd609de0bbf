"""Reads many repositories in one request: the counts of their lists, and small repositories whole."""
