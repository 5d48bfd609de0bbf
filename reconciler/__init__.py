"""Keeps Postgres and Temporal of one mind about jobs, whichever of them was away and whoever was killed in between.

A job that was committed and never heard is signaled. A job whose workflow is gone (termination and crashes run no code)
is signaled again if it had not begun, and ended with the reason if it had; so is a reading of GH Archive. A workflow is
told which of its jobs is to stop, and which of its slices are paused. Add-ons lapse, and workspaces and repositories
that come, go or change hands are followed (`polar.purchases.follow`). Runs in every worker and webhook server.
"""
