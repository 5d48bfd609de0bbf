"""Reads threads (pull requests, issues, discussions): decides which request comes next, and when a type is complete."""
