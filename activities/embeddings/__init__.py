"""Gives every stored thread its embedding."""
