"""The resolvers, by `Type.field`, of fields that are not attributes of the world's objects.

`schema.py` connects them with the schema. A field that has no resolver and is no attribute is not modelled.
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
