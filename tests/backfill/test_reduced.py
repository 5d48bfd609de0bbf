"""A job whose add-on ends while a smaller one stays goes on at its cursors, down to the smaller one's days."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from messages import Leg
from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from store import addon_jobs, job_end
from store.database import Database
from tests.support import shop
from tests.support.backfill.direct import Direct
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.questions import THREADS, threads_shown
from tests.support.truth import check, differences, expected, stored

PLAN = Plan("acme/old", pull_requests=60, issues=240, discussions=40, years=2, **LITTLE)
TYPES = (*THREADS, "events")
ADDON = """
insert into subscription_addons (user_id, addon_type, retention_days, status, polar_subscription_id)
values ($1, 'extended_data_retention', $2, 'active', $3) returning id
"""


@dataclass(frozen=True)
class Stop:
    """Where the job stands when its add-on ends: after so many slices of a leg, each of one page (None: at the leg's
    end). The smaller add-on grants `days`.
    """

    leg: Leg
    slices: int | None
    days: int
    pages_follow: bool
    """Whether a page in the smaller add-on's days is left to read."""


STOPS = {
    "within the recent leg": Stop("recent", 1, 365, pages_follow=True),
    "within the recent leg, to less than it": Stop("recent", 1, 30, pages_follow=False),
    "between the legs": Stop("recent", None, 365, pages_follow=True),
    "between the legs, to less than the first": Stop("recent", None, 30, pages_follow=False),
    "within the smaller add-on's days": Stop("historical", 1, 365, pages_follow=True),
    "below the smaller add-on's days": Stop("historical", 4, 365, pages_follow=False),
}


@pytest.mark.parametrize("where", STOPS)
async def test_no_page_is_paid_for_again_and_none_beyond_the_smaller_one(
    serve: Callable[..., StandIn], direct: Direct, where: str
) -> None:
    stop, world = STOPS[where], World()
    days = stop.days
    repository = generate(world, PLAN)
    github = serve(world)
    direct.environment["SLICE_PAGES"] = "1"
    direct.at(github)
    await direct.start_worker(direct.environment)
    workspace_id = await direct.workspace(repository)
    job_id = await direct.start(workspace_id, days=3650, types=TYPES)
    async with shop.connected(direct.dsn) as host:
        user_id = await host.fetchval("select auth_user_id from app_users")
        larger = await host.fetchval(ADDON, user_id, 3650, "larger")
        smaller = await host.fetchval(ADDON, user_id, days, "smaller")
        await host.execute(
            "update workspace_backfill_jobs set requested_by = 'purchase', subscription_addon_id = $1", larger
        )
        if stop.leg == "historical":
            await direct.read_some(job_id, leg="recent")
        await direct.read_some(job_id, leg=stop.leg, slices=stop.slices)
        before = await stored(direct.dsn, repository.database_id)
        asked, cutoff_at = len(github.log), await host.fetchval("select created_at from workspace_backfill_jobs")
        cutoff_at -= timedelta(days=days)

        await host.execute("update subscription_addons set status = 'canceled' where id = $1", larger)
        async with Database(direct.dsn) as database:
            async with database.transaction() as connection:
                assert await addon_jobs.stop_unpaid(connection, None) == (job_id,)
                await job_end.finish(connection, job_id, 0, canceled=True)
            async with database.transaction() as connection:
                assert await addon_jobs.resume_paid(connection, None) == (job_id,)
        job = await direct.completed(job_id)

        assert (job["retention_days"], job["cutoff_at"], job["subscription_addon_id"]) == (days, cutoff_at, smaller)
        assert job["metadata"]["reduced_from"] == 3650
        shown = threads_shown(github.log)
        assert shown.most_common(1)[0][1] == 1, "no page twice"
        assert bool(threads_shown(github.log[asked:])) == stop.pages_follow
        after = await stored(direct.dsn, repository.database_id)
        assert all(before[table].keys() <= after[table].keys() for table in before), "nothing is deleted"
        assert len(after["issues"]) < len(repository.issues), "what is beyond is not fetched"
        found = differences(expected(repository, cutoff_at), after, limit=1000)
        assert not [line for line in found if line.endswith("missing") or "wanted" in line]

        # Bought again, the larger one resumes where this one stopped.
        await direct.completed(await direct.start(workspace_id, days=3650, types=TYPES))
        assert threads_shown(github.log).most_common(1)[0][1] == 1
        await check(direct.dsn, repository)
