"""Interprets GitHub's answers: each is data, or one error of the taxonomy. Nothing here sends a request."""
