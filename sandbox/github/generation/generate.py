"""Generates repositories of any size, or adds a plan's content to repositories that exist."""

from sandbox.github.generation.discussions import Discussions
from sandbox.github.generation.events import EventGenerator
from sandbox.github.generation.plan import Plan
from sandbox.github.generation.threads import Threads
from sandbox.github.world.clock import Stamp
from sandbox.github.world.repositories import Repository
from sandbox.github.world.world import World


def repository(world: World, plan: Plan, *, end: Stamp | None = None) -> Repository:
    """Adds a generated repository. Its dates are spread over the plan's years before `end` (None: now). Raises
    `ValueError` if the name exists.
    """
    with world.lock:
        end = end or world.clock.stamp()
        made = Threads(world, plan, end).make()
        add_discussions(made, plan)
        add_events(made, plan, end=end)
        return made


def add_discussions(to: Repository, plan: Plan) -> None:
    """Adds the plan's discussions to the repository, and switches discussions on. The discussions are numbered from the
    repository's next number. They are dated between the repository's creation and its `updated_at`, and written by the
    authors of its threads.
    """
    if plan.discussions:
        with to.changed():
            Discussions(to, plan).add()


def add_events(to: Repository, plan: Plan, *, end: Stamp | None = None) -> None:
    """Adds the plan's stars, forks, pushes and releases to a repository, over the plan's years before `end` (None:
    now), some of them in the last month.
    """
    if plan.stars or plan.forks or plan.pushes or plan.releases:
        with to.changed():
            EventGenerator(to, plan, end or to.world.clock.stamp()).add()
