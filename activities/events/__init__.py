"""Reads a repository's events outside its threads: stars, forks, releases, pushes and the rest of its feed."""
