"""Reads a repository's events outside its threads: from the API's lists, from its commits, and from GH Archive."""
