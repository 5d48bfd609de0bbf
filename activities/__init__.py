"""Activities: everything that workflows do outside Temporal. They reach GitHub through `github/` and Postgres through
`store/`, and decide nothing about a job.
"""
