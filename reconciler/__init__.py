"""Reconciles jobs between Postgres and Temporal after an outage or a crash of one of them.

A committed job that Temporal has not heard of is signaled. If the workflow of a job is gone (no code of ours runs
when it is terminated or crashes), the job is signaled again if it had not begun, else ended with the reason. The
same holds for readings of GH Archive. Workflows are told which jobs have to stop, and which slices are paused.
Add-ons whose period is over, and workspaces and repositories that were added, removed or given to another owner, are
handled as `polar.purchases.follow` says. Every worker and webhook server runs a reconciler.
"""
