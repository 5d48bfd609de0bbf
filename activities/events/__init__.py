"""Reads a repository's events, such as stars, forks, releases and pushes. Derives other events from stored threads."""
