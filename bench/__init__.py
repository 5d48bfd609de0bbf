"""Measures what a backfill costs: points, requests, GitHub's seconds, and CPU and memory of a real worker. Also checks
that the backfill is complete.

`python -m bench.cost` (or `python -m bench`) measures this system. `python -m bench.peers` also measures other
extractors, on the same repository. Nothing outside this package imports it.
"""
