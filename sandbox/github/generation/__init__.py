"""Fills a world with repositories: generated from a plan, or loaded from exports.

A generated history ends at the moment `end`. The same plan with the same `end` gives the same repository.

    repository(world, Plan("octo/large", pull_requests=1_000, issues=500))
    repository(world, Plan.parse("octo/small?pull_requests=200&issues=100&seed=1"))
"""

from sandbox.github.generation.generate import add_discussions, add_events, repository
from sandbox.github.generation.plan import Plan, measured

__all__ = ["Plan", "add_discussions", "add_events", "measured", "repository"]
