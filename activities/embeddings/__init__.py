"""Embeds every stored thread."""
