"""What a backfill costs: requests, points, CPU and memory of a real worker, and whether what it stored is complete.

`python -m bench`; nothing else imports it.
"""
