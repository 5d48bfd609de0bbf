"""Workflows decide which repositories run, what is retried, and when a job has ended. Workflows reach the outside world
only through Temporal's activities.
"""
