"""The REST routes that the product uses, in GitHub's formats, and the files of GH Archive.

**Add a route.** Write a function in the module of its subject (`threads.py`, `events.py`, `apps.py`, or `routes.py` for
the rest) and add a line to the module's `ROUTES`. The functions in `shapes/` turn objects of the world into REST's
JSON. A path without a route is refused with 501.
"""
