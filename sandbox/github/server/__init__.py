"""The stand-in's HTTP server: takes a request, applies limits and faults, has it answered, and checks the answer."""
