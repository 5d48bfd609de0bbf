"""Reconciles jobs between Postgres and Temporal after an outage or a crash of one of them.

A committed job that Temporal has not heard of is signaled. The reconciler also looks for jobs whose workflow is gone,
because no code of ours runs when a workflow is terminated or crashes. A pending job without its workflow is signaled
again. A job in progress without its workflow is ended, with the reason. Readings of GH Archive are treated in the same
way.

Workflows are told which jobs have to stop, and which slices are paused. `polar.purchases.follow` handles add-ons whose
period is over. It also handles workspaces and repositories that were added, removed or given to another owner. Every
worker and webhook server runs a reconciler.
"""
