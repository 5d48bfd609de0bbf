"""Prometheus' metrics: what this process did, and the state in Postgres. docs/metrics.md lists the names."""
