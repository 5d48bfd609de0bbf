"""Turns objects of the world into the JSON of REST's answers."""
