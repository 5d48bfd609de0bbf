"""Fills a world with repositories: generated from a plan, always the same for the same plan and end, or from exports.

repository(world, Plan("octo/large", pull_requests=1_000, issues=500))

repository(world, Plan.parse("octo/small?pull_requests=200&issues=100&seed=1"))
"""

from sandbox.github.generation.generate import add_discussions, add_events, repository
from sandbox.github.generation.plan import Plan, measured

__all__ = ["Plan", "add_discussions", "add_events", "measured", "repository"]
