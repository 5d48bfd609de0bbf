"""Workflows decide which repositories run, what is retried, and when a job is over. They touch nothing but Temporal."""
