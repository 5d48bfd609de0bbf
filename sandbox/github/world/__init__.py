"""The GitHub that the stand-in simulates: accounts, repositories, threads, commits and events.

`World` holds everything. A `Repository` holds its threads, commits and events. Methods such as `pull.merge()` change an
object, always under the world's lock. This package knows neither HTTP nor GraphQL. Attributes are named as in GitHub's
GraphQL, in snake case, so a new GraphQL field often needs only a new attribute.
"""
