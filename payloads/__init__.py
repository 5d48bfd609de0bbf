"""Payloads of Temporal: how they are encrypted, and the server that decrypts them for people."""
