"""No answer to anybody holds an id of a workspace that he is not in, whatever he asks for."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages import JobStatus
from tests.support import shop
from tests.support.api import world
from tests.support.api.world import ROLES, Api
from tests.support.shop import Buyer
from tests.support.thoroughness import THOROUGH, examples

PEOPLE = 4
STATUSES: tuple[JobStatus, ...] = ("pending", "in_progress", "completed", "failed", "canceled")
REASONS = ("another_job", "github_limit", "turn")


@dataclass(frozen=True)
class Plan:
    """A workspace: its owner, its members' roles, its repositories, jobs with what they wait for, and whom it told."""

    owner: int
    members: dict[int, str]
    repositories: set[str]
    jobs: list[tuple[JobStatus, str]]
    told: list[int]


people = st.integers(0, PEOPLE - 1)
plans = st.lists(
    st.builds(
        Plan,
        owner=people,
        members=st.dictionaries(people, st.sampled_from(ROLES), max_size=2),
        repositories=st.sets(st.sampled_from(["octo/rocket", "octo/moon", "octo/sun"]), min_size=1),
        jobs=st.lists(st.tuples(st.sampled_from(STATUSES), st.sampled_from(REASONS)), min_size=1, max_size=2),
        told=st.lists(people, max_size=3),
    ),
    min_size=2,
    max_size=3,
)


@dataclass
class Made:
    """What exists of a plan. `private` is seen by one person alone: notification -> person."""

    workspace_id: str
    insiders: set[int]
    jobs: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    private: dict[str, int] = field(default_factory=dict)


async def make(host: asyncpg.Connection, everybody: list[Buyer], plan: Plan) -> Made:
    owner = everybody[plan.owner]
    slug = f"slug-{uuid.uuid4().hex}"
    made = Made(await shop.workspace(host, owner, *plan.repositories, slug=slug), {plan.owner, *plan.members})
    addon_id = await world.addon(host, owner, 365)
    made.ids |= {made.workspace_id, slug, str(addon_id)}
    for person, role in plan.members.items():
        await host.execute(
            "insert into workspace_members (workspace_id, user_id, role) values ($1, $2, $3)",
            made.workspace_id,
            everybody[person].app_user_id,
            role,
        )
    for status, _ in plan.jobs:
        job_id = await world.job(host, made.workspace_id, status)
        await host.execute(
            "update workspace_backfill_jobs set subscription_addon_id = $1 where id = $2", addon_id, job_id
        )
        made.jobs.append(job_id)
    made.ids |= set(made.jobs)
    for person in plan.told:
        user = everybody[person].auth_user_id
        made.private[await world.notification(host, made.workspace_id, made.jobs[0], user)] = person
    return made


async def let_wait(host: asyncpg.Connection, plan: Plan, its: Made, others: list[str]) -> None:
    """Jobs wait for those of other workspaces, as the worker writes it."""
    for (_, reason), job_id in zip(plan.jobs, its.jobs, strict=True):
        for number, other in enumerate(others):
            waiting = {"reason": reason, "since": "2026-01-01T00:00:00Z", "job_id": other, "data_types": []}
            await host.execute(
                """
                update workspace_backfill_progress set metadata = $2
                where backfill_job_id = $1 and mod(abs(hashtext(repository_id::text)), $4) = $3
                """,
                job_id,
                {"waiting": waiting},
                number,
                len(others),
            )


@asynccontextmanager
async def a_world(host: asyncpg.Connection, wanted: list[Plan]) -> AsyncIterator[tuple[list[Buyer], list[Made]]]:
    everybody = [await shop.buyer(host) for _ in range(PEOPLE)]
    made = [await make(host, everybody, plan) for plan in wanted]
    for plan, its in zip(wanted, made, strict=True):
        await let_wait(host, plan, its, [job for other in made if other is not its for job in other.jobs])
    try:
        yield everybody, made
    finally:
        await host.execute("delete from workspaces where id = any($1::uuid[])", [each.workspace_id for each in made])


def requests(its: Made) -> list[tuple[str, str, dict[str, Any]]]:
    """Everything that can be asked of a workspace and its jobs; reads first."""
    of_workspace = f"/api/workspaces/{its.workspace_id}"
    reads = [of_workspace, *(f"{of_workspace}/{what}" for what in ("backfill", "backfills", "notifications"))]
    reads += [f"/api/{kind}/{job}" for job in its.jobs for kind in ("backfills", "backfill/status")]
    reads += [f"/api/backfills/{job}/{what}" for job in its.jobs for what in ("timeline", "chart")]
    writes = [f"{of_workspace}/backfills", "/api/backfill/trigger"]
    writes += [f"/api/backfills/{job}/{what}" for job in its.jobs for what in ("retry", "pause", "resume", "cancel")]
    writes += [f"/api/backfill/cancel/{job}" for job in its.jobs]
    bodies = {"/api/backfill/trigger": {"repository": "octo/rocket"}}
    return [("GET", path, {}) for path in reads] + [("POST", path, {"json": bodies.get(path, {})}) for path in writes]


async def beginning(api: Api, job_id: str, token: str) -> tuple[int, str]:
    """Status and snapshot of a job's stream, or the refusal."""
    path = f"{api.url}/api/backfills/{job_id}/events"
    async with api.http.get(path, headers=world.bearer(token)) as response:
        if response.status != 200:
            return response.status, await response.text()
        told = b""
        while b"\n\n" not in told.partition(b"event: snapshot")[2]:
            told += await response.content.readany()
        return response.status, told.decode()


@settings(
    max_examples=examples(3, 300),
    derandomize=not THOROUGH,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(plans)
async def test_no_answer_holds_an_id_of_a_workspace_that_the_caller_is_not_in(
    api: Api, host: asyncpg.Connection, wanted: list[Plan]
) -> None:
    async with a_world(host, wanted) as (everybody, made):
        for caller, person in enumerate(everybody):
            token = world.user_token(person.auth_user_id)
            foreign = {identifier for its in made if caller not in its.insiders for identifier in its.ids}
            foreign |= {each for its in made for each, reader in its.private.items() if reader != caller}
            foreign |= {str(each.auth_user_id) for each in everybody if each is not person}
            foreign |= {str(each.app_user_id) for each in everybody if each is not person}
            for its in made:
                for job_id in its.jobs:
                    status, told = await beginning(api, job_id, token)
                    assert status == (200 if caller in its.insiders else 404)
                    assert not {each for each in foreign if each in told}, (caller, "events", told)
                for method, path, sent in requests(its):
                    answer = await api.ask(method, path, token=token, **sent)
                    told = answer.text + str(dict(answer.headers))
                    assert not {each for each in foreign if each in told}, (caller, method, path, told)
                    if caller not in its.insiders and path != "/api/backfill/trigger":
                        assert answer.status == 404
                    elif method == "GET":
                        assert answer.status == 200, answer.text
