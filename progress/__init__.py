"""The progress of a backfill, for people: views of its rows, and values computed from these views. Uses no SQL, no HTTP
and no clock.
"""
