"""Resolvers of the fields that are not plain attributes of what the world holds, by `Type.field`.

`schema.py` binds them; a field that is neither here nor an attribute is not modelled.
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
