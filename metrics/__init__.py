"""Prometheus metrics: what this process did, and the state in Postgres. Names: docs/metrics.md."""
