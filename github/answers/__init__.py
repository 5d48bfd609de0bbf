"""Interprets GitHub's answers: each becomes data, or one error of the taxonomy. This package sends no request."""
