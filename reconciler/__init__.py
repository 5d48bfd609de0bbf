"""Reconciles jobs between Postgres and Temporal after an outage or a crash of either side.

A committed job that Temporal has not heard of is signaled. A job whose workflow is gone (termination and crashes run no
code) is signaled again if it had not begun, and ended with the reason if it had; the same holds for readings of GH
Archive. Workflows are told which jobs to stop, and which slices are paused. Lapsed add-ons, and workspaces and
repositories that were added, removed or handed over, are followed up (`polar.purchases.follow`). Runs in every worker
and webhook server.
"""
