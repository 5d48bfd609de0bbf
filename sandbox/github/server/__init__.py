"""The stand-in as an HTTP server: takes a request, asks limits and faults, has it answered, checks what it sends."""
