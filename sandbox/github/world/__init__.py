"""The GitHub that the stand-in simulates: accounts, repositories, threads, commits, and events.

`World` holds everything; `Repository` has lists; threads change by their own methods (`pull.merge()`), always under the
world's lock. Nothing here knows HTTP or GraphQL. Attributes have GitHub's GraphQL names in snake case, so a new plain
GraphQL field needs only a new attribute.
"""
