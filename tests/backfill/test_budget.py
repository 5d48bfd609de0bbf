"""A budget of a fraction of what is needed: the job completes, keeps the share, and waits without holding a slot."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

import pytest
from temporalio.client import Client

from messages import repository_workflow_id
from sandbox.github import Limits, StandIn, World
from sandbox.github.exchange.requests import Entry
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from tests.support.backfill.whole import Backfill
from tests.support.truth import check

WINDOW_SECONDS = 5.0
"""Twice what is waited for in place (store.budgets.PATIENCE), so that there is time to see that no slot is held."""
SHARE = 0.8
PLAN = Plan("acme/thrifty", pull_requests=70, issues=70, reviews=1, review_comments=1, comments=1, events=2, years=1)
"""About eight points."""


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
    """How many sweeps were at work while Postgres said that all of the repository waits for GitHub."""

    def __init__(self, backfill: Backfill, client: Client, workflow_id: str) -> None:
        self._backfill = backfill
        self._handle = client.get_workflow_handle(workflow_id)
        self.held: list[int] = []

    async def watch(self) -> NoReturn:
        while True:
            await asyncio.sleep(0.05)
            rows = await self._backfill.rows(
                "select (metadata ->> 'waiting_until')::timestamptz as until from workspace_backfill_progress"
            )
            if not rows or not rows[0]["until"]:
                continue
            described = await self._handle.describe()
            pending = [each.activity_type.name for each in described.raw_description.pending_activities]
            # What was true before is true still: nobody goes on before that moment.
            if datetime.now(UTC) < rows[0]["until"]:
                self.held.append(pending.count("sweep"))


@pytest.mark.parametrize("accounts", [("ann",), ("ann", "bob")], ids=["one token", "two tokens and two workers"])
async def test_a_fraction_of_the_budget_is_enough(
    accounts: tuple[str, ...], backfill: Backfill, temporal_client: Client
) -> None:
    world = World()
    repository = generate(world, PLAN)
    limit = 3 if len(accounts) == 1 else 2
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
        [row] = await backfill.rows("select id, full_name from repositories")
        await backfill.until("status = 'in_progress'", job_id)
        slots = Slots(backfill, temporal_client, repository_workflow_id(job_id, str(row["id"]), row["full_name"]))
        watching = asyncio.create_task(slots.watch())
        await backfill.completed(job_id)
        assert not watching.done(), watching.result()
        watching.cancel()
        log = [entry for entry in github.log if entry.kind == "graphql"]
    await check(backfill.dsn, repository)

    by_account: dict[str, list[Entry]] = defaultdict(list)
    for entry in log:
        by_account[entry.account].append(entry)
    assert by_account.keys() == set(accounts), "every token is spent"
    for entries in by_account.values():
        spent = windows(entries)
        assert len(spent) > 2, "it had to wait again and again"
        # What each of the two types had in flight may have come in the next window.
        assert max(spent) <= max(1, limit * SHARE) + 2, spent
    refused = [entry for entry in log if "RATE_LIMITED" in entry.errors]
    assert not refused, "nothing is asked of an account whose limit is known"
    # On a machine so slow that each window has passed before the next request nothing waits.
    assert set(slots.held) <= {0}
