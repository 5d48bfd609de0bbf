"""Prometheus' metrics: the work of this process, and the state in Postgres. docs/metrics.md lists the names."""
