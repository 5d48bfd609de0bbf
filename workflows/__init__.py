"""Workflows decide which repositories run, what is retried, and when a job has ended. They touch nothing but
Temporal.
"""
