"""Reads threads (pull requests, issues, discussions): decides the next request, and when a type is complete."""
