"""The GitHub that the stand-in simulates: accounts, repositories, threads, commits and events.

`World` holds everything. A `Repository` has lists. A thread changes by its own methods (`pull.merge()`), always
under the world's lock. This package knows neither HTTP nor GraphQL. Attributes are named as in GitHub's GraphQL, in
snake case, so a new GraphQL field often needs only a new attribute.
"""
