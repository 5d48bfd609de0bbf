"""The stand-in's HTTP server: takes a request, applies limits and faults, gets the answer, and checks it."""
