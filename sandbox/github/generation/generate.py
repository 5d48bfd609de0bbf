"""Generates repositories of any size, or adds a plan's discussions or events to existing repositories."""

from sandbox.github.generation.discussions import Discussions
from sandbox.github.generation.events import EventGenerator
from sandbox.github.generation.plan import Plan
from sandbox.github.generation.threads import Threads
from sandbox.github.world.clock import Stamp
from sandbox.github.world.repositories import Repository
from sandbox.github.world.world import World


def repository(world: World, plan: Plan, *, end: Stamp | None = None) -> Repository:
    """Adds a generated repository to the world and returns it. Its dates are spread over the plan's years before `end`,
    which is now by default. Raises `ValueError` if the world has a repository of that name.
    """
    with world.lock:
        end = end or world.clock.stamp()
        made = Threads(world, plan, end).make()
        add_discussions(made, plan)
        add_events(made, plan, end=end)
        return made


def add_discussions(to: Repository, plan: Plan) -> None:
    """Adds the plan's discussions to the repository, and switches discussions on. The discussions get the repository's
    next numbers. They are dated between the repository's creation and its `updated_at`. Their authors are the authors
    of the repository's threads.
    """
    if plan.discussions:
        with to.changed():
            Discussions(to, plan).add()


def add_events(to: Repository, plan: Plan, *, end: Stamp | None = None) -> None:
    """Adds the plan's stars, forks, pushes and releases to a repository. The dates are spread over the plan's years
    before `end`, which is now by default. Some dates lie in the last month.
    """
    if plan.stars or plan.forks or plan.pushes or plan.releases:
        with to.changed():
            EventGenerator(to, plan, end or to.world.clock.stamp()).add()
