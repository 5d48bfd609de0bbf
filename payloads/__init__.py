"""Temporal's payloads: their encryption, and the server that decrypts them for people."""
