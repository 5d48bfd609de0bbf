"""Resolvers, by `Type.field`, for fields that are not plain attributes of the world's objects.

`schema.py` binds them. A field that is neither here nor an attribute is not modelled.
"""

from sandbox.github.graphql.fields import (
    commits,
    common,
    discussions,
    pull_requests,
    releases,
    repositories,
    root,
    threads,
    timeline,
    timeline_events,
)

__all__ = [
    "commits",
    "common",
    "discussions",
    "pull_requests",
    "releases",
    "repositories",
    "root",
    "threads",
    "timeline",
    "timeline_events",
]
