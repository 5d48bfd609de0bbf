"""Makes repositories of any size, or adds to one what a plan says."""

from sandbox.github.generation.discussions import Discussions
from sandbox.github.generation.events import Happenings
from sandbox.github.generation.plan import Plan
from sandbox.github.generation.threads import Threads
from sandbox.github.world.clock import Stamp
from sandbox.github.world.repositories import Repository
from sandbox.github.world.world import World


def repository(world: World, plan: Plan, *, end: Stamp | None = None) -> Repository:
    """Adds it, its threads' dates spread over the plan's years before `end` (now). `ValueError` if the name exists."""
    with world.lock:
        end = end or world.clock.stamp()
        made = Threads(world, plan, end).make()
        add_discussions(made, plan)
        add_events(made, plan, end=end)
        return made


def add_discussions(to: Repository, plan: Plan) -> None:
    """Switches them on, if the plan has any, and adds the plan's to any repository (an export's too), numbered from its
    next number on and dated from its creation to its `updated_at`. Those who opened its threads write them."""
    if plan.discussions:
        with to.changed():
            Discussions(to, plan).add()


def add_events(to: Repository, plan: Plan, *, end: Stamp | None = None) -> None:
    """Adds the plan's stars, forks, pushes and releases to any repository (an export's too), over the plan's years
    before `end` (now), some in its last month."""
    if plan.stars or plan.forks or plan.pushes or plan.releases:
        with to.changed():
            Happenings(to, plan, end or to.world.clock.stamp()).add()
