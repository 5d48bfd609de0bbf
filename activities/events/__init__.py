"""Reads a repository's events outside threads: stars, forks, releases, pushes and the rest of its feed."""
