"""Reads many repositories in one request: the counts of their lists, or the threads, stars, forks and latest commits of
small repositories.
"""
