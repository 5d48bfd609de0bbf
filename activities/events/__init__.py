"""Reads what happens in a repository beside its threads: stars, forks, releases, pushes and the rest of its feed."""
