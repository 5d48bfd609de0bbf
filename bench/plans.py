"""The repositories that benches generate: a large one, and small ones as most of a workspace are."""

import random
from collections.abc import Sequence
from dataclasses import fields
from urllib.parse import urlencode

from sandbox.github import World, generation
from sandbox.github.generation import Plan
from sandbox.github.world.repositories import Repository

LARGE = "acme/rocket"
END = "2026-11-01T00:00:00Z"
"""When the generated history ends; fixed, so that every run reads the same history."""
MOST_THREADS = 20
"""Of a small repository."""


def small(number: int) -> Plan:
    """Returns the plan of a repository with at most `MOST_THREADS` threads. It is always the same for the same number.

    A quarter of the repositories have no threads; half of the others have four or fewer. One in ten of those with
    threads has discussions.
    """
    chance = random.Random(number)
    threads = 0 if chance.random() < 0.25 else round(MOST_THREADS ** chance.random())
    discussions = chance.randint(1, threads) // 2 if threads and chance.random() < 0.1 else 0
    pulls = round((threads - discussions) * chance.uniform(0.3, 0.8))
    return Plan(
        f"acme/r{number:04}",
        pull_requests=pulls,
        issues=threads - discussions - pulls,
        discussions=discussions,
        reviews=1.5,
        review_comments=1.0,
        comments=1.5,
        events=3.0,
        people=12,
        stars=chance.randint(1, 10) if chance.random() < 0.5 else 0,
        forks=chance.randint(1, 3) if chance.random() < 0.3 else 0,
        releases=chance.randint(1, 5) if chance.random() < 0.2 else 0,
        pushes=round(30 ** chance.random()),
        years=2.0,
        seed=number + 1,
    )


def made(world: World, plans: Sequence[Plan]) -> list[Repository]:
    """Generates the repositories in `world`: the same that a stand-in with these `arguments` serves."""
    return [generation.repository(world, each, end=END) for each in plans]


def arguments(plans: Sequence[Plan]) -> list[str]:
    """Returns the arguments with which a stand-in generates these repositories."""
    return [f"--end={END}", *(f"--generate={_text(each)}" for each in plans)]


def _text(of: Plan) -> str:
    default = Plan(of.name)
    changed = {each.name: getattr(of, each.name) for each in fields(of) if each.name != "name"}
    return f"{of.name}?" + urlencode({name: it for name, it in changed.items() if it != getattr(default, name)})
