"""Reading what happens to a repository beside its threads: from the API's lists, from its commits, from GH Archive."""
