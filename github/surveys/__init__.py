"""Reads many repositories in one request: the counts of their lists, or small repositories with all their content."""
