"""The REST routes that are used, in GitHub's shapes, and GH Archive's files.

**Add a route.** A function in the module of what it tells of (`threads.py`, `events.py`, `apps.py`, or `routes.py` for
the rest) and a line in that module's `ROUTES`; how its objects look is in `shapes/`. A path that
has no route is refused with 501.
"""
