"""The resolvers of fields. A resolver is registered by `Type.field`, for a field that is not simply an attribute of the
world's object.

`schema.py` connects the resolvers with the schema. A field with neither a resolver nor an attribute is not modelled.
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
