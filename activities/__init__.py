"""Activities do everything that workflows need done outside Temporal. They reach GitHub through `github/` and Postgres
through `store/`. Activities decide nothing about a job.
"""
