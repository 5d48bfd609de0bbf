"""Activities do everything that workflows need done outside Temporal. Activities reach GitHub through `github/` and
Postgres through `store/`. They decide nothing about a job.
"""
