"""The REST routes that the product uses, in GitHub's shapes, and GH Archive's files.

**Add a route.** Write a function in the module of its subject (`threads.py`, `events.py`, `apps.py`, or `routes.py` for
the rest) and a line in that module's `ROUTES`; the shapes of its objects are in `shapes/`. A path without a route is
refused with 501.
"""
