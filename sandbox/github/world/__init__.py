"""The GitHub that the stand-in knows: accounts, repositories, threads, commits, and what happens to them.

`World` holds it all; `Repository` its lists; threads change by their own methods (`pull.merge()`), always under the
world's lock. Nothing here knows HTTP or GraphQL: attributes have GitHub's GraphQL names in snake case, so that a plain
new field of GraphQL is an attribute here and nothing else.
"""
