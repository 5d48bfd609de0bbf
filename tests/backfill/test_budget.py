"""A budget of a tenth of what is needed: the job completes, keeps the share, and waits without holding a slot."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest
from temporalio.client import Client

from messages import repository_workflow_id
from sandbox.github.generate import Plan
from sandbox.github.generate import repository as generate
from sandbox.github.limits import Limits
from sandbox.github.requests import Entry
from sandbox.github.server import StandIn
from sandbox.github.world import World
from store.budgets import PATIENCE
from tests.backfill.conftest import Backfill
from tests.truth import check

WINDOW_SECONDS = 3.0
SHARE = 0.8
NEEDED = 25
"""Points, about."""
PLAN = Plan("acme/thrifty", pull_requests=240, issues=180, reviews=3, review_comments=1, years=1)


def windows(entries: Sequence[Entry]) -> list[int]:
    """Points spent in each window of an account's: it begins with its first request."""
    spent: list[int] = []
    ends = 0.0
    for entry in sorted(entries, key=lambda each: each.started):
        if entry.started >= ends:
            spent.append(0)
            ends = entry.started + WINDOW_SECONDS
        spent[-1] += entry.cost
    return spent


class Slots:
    """When the repository's workflow had a sweep at work, in Temporal's own words."""

    def __init__(self, client: Client, workflow_id: str) -> None:
        self._handle = client.get_workflow_handle(workflow_id)
        self.seen: list[tuple[float, int]] = []

    async def watch(self) -> None:
        while True:
            described = await self._handle.describe()
            at_work = [
                each for each in described.raw_description.pending_activities if each.activity_type.name == "sweep"
            ]
            self.seen.append((monotonic(), len(at_work)))
            await asyncio.sleep(0.05)

    def held_in(self, begin: float, end: float) -> set[int]:
        return {number for at, number in self.seen if begin < at < end}


@pytest.mark.parametrize("accounts", [("ann",), ("ann", "bob")], ids=["one token", "two tokens and two workers"])
async def test_a_tenth_of_the_budget_is_enough(
    accounts: tuple[str, ...], backfill: Backfill, temporal_client: Client
) -> None:
    world = World()
    repository = generate(world, PLAN)
    limit = NEEDED // 10 * 2 if len(accounts) == 1 else NEEDED // 10
    limits = Limits(graphql=limit, window_seconds=WINDOW_SECONDS)
    with StandIn(world, tokens={f"ghp_{each}": each for each in accounts}, limits=limits) as github:
        backfill.at(github)
        backfill.environment |= {
            "GITHUB_TOKENS": ",".join(github.tokens),
            "GITHUB_BUDGET_SHARE": str(SHARE),
        }
        for _ in accounts:
            await backfill.start_worker(backfill.environment)
        job_id = await backfill.start(await backfill.workspace(repository))
        [row] = await backfill.rows("select id from repositories")
        slots = Slots(temporal_client, repository_workflow_id(job_id, str(row["id"])))
        await backfill.until("status = 'in_progress'", job_id)
        waiting = await backfill.until(
            "exists (select from workspace_backfill_progress p"
            " where p.backfill_job_id = workspace_backfill_jobs.id and p.metadata ? 'waiting_until')",
            job_id,
        )
        assert waiting["status"] == "in_progress"
        watching = asyncio.create_task(slots.watch())
        await backfill.completed(job_id, within=120)
        watching.cancel()
        log = [entry for entry in github.log if entry.kind == "graphql"]
    await check(backfill.dsn, repository)

    by_account: dict[str, list[Entry]] = defaultdict(list)
    for entry in log:
        by_account[entry.account].append(entry)
    assert by_account.keys() == set(accounts), "every token is spent"
    for entries in by_account.values():
        spent = windows(entries)
        assert len(spent) > 3, "it had to wait again and again"
        assert max(spent) <= max(1, limit * SHARE) + 1, spent
    refused = [entry for entry in log if "RATE_LIMITED" in entry.errors]
    assert not refused, "nothing is asked of an account whose limit is known"
    _no_slot_is_held_in_a_pause(log, slots)


def _no_slot_is_held_in_a_pause(log: Sequence[Any], slots: Slots) -> None:
    """Longer than what is waited for in place no sweep is at work while nothing is asked."""
    began = slots.seen[0][0]
    moments = [each for entry in log for each in (entry.started, entry.started + entry.seconds) if each > began]
    pauses = [(begin, end) for begin, end in pairwise(sorted(moments)) if end - begin > PATIENCE.total_seconds()]
    assert pauses, "nobody ever waited for a reset"
    patience = PATIENCE.total_seconds()
    held = [slots.held_in(begin + 0.3, end - 0.3) for begin, end in pauses if end - begin > patience + 0.1]
    assert all(0 in each for each in held), held
