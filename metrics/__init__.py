"""Prometheus' view of the system: what this process did, and how things stand in Postgres. Names: docs/metrics.md."""
