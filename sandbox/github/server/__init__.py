"""The stand-in's HTTP server. It takes a request, applies limits and faults, and gets and checks the answer."""
