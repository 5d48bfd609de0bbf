"""Measures the cost of a backfill: points, requests, GitHub's seconds, CPU and memory of a real worker, and whether it
is complete.

`python -m bench.cost` (or `python -m bench`) measures this system; `python -m bench.peers` measures other extractors
beside it, on the same repository. Nothing else imports this package.
"""
