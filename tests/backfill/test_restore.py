"""The drill of docs/runbook.md, "Restore from a backup", step by step with its own commands, on real backups."""

import asyncio
import os
import re
import shlex
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import asyncpg
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from sandbox import temporal as temporal_server
from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.polar import PolarServer
from sandbox.postgres import Postgres
from sandbox.processes import Process
from sandbox.temporal import TEMPORAL
from tests.support import shop
from tests.support.backfill.control import assert_nothing_twice
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.whole import Backfill
from tests.support.layout import ROOT
from tests.support.programs import Programs
from tests.support.started import run_worker
from tests.support.truth import check
from tests.support.waiting import eventually

PLAN = Plan("acme/long", pull_requests=24, issues=16, years=1, **LITTLE)
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
SECTION = RUNBOOK.partition("## Restore from a backup\n")[2].partition("\n## ")[0]


def of(program: str) -> list[list[str]]:
    """What the section tells a program, in its order."""
    return [shlex.split(line) for line in re.findall(rf"^ *\$ {program} (.*)$", SECTION, re.MULTILINE)]


async def run(backfill: Backfill, *arguments: str) -> str:
    ended = await backfill.run_starter(backfill.environment, *arguments)
    assert ended.exit_code == 0, ended.stderr
    return ended.stdout


async def end_all(backfill: Backfill) -> None:
    """Step 3, for the workflows of this test alone: others run on the same server."""
    [words] = of("temporal")
    query = words.index("--query") + 1
    words[query] = f"({words[query]}) AND TaskQueue = '{backfill.environment['TEMPORAL_TASK_QUEUE']}'"
    environment = {"PATH": os.environ["PATH"], "TEMPORAL_ADDRESS": backfill.environment["TEMPORAL_ADDRESS"]}
    process = await asyncio.create_subprocess_exec(TEMPORAL, *words, env=environment)
    assert await process.wait() == 0


async def retry_what_lost_its_workflow(backfill: Backfill) -> list[str]:
    """The end of step 5: the jobs that its statement finds, once they have failed."""
    [[*_, statement]] = of("psql")

    async def found() -> list[asyncpg.Record]:
        return await backfill.rows(statement)

    await eventually(found)
    job_ids = [str(row["id"]) for row in await found()]
    for each in job_ids:
        await run(backfill, "retry", each)
    return job_ids


async def pages(backfill: Backfill) -> int:
    [row] = await backfill.rows("select coalesce(sum(pages), 0)::int as pages from backfill_sweeps")
    return int(row["pages"])


async def has_more_pages_than(backfill: Backfill, before: int) -> None:
    async def has_come_further() -> bool:
        return await pages(backfill) > before

    await eventually(has_come_further)


async def test_postgres_is_restored_from_before_what_temporal_knows(
    serve: Callable[..., StandIn], backfill: Backfill, postgres: Postgres
) -> None:
    world = World()
    repository = generate(world, PLAN)
    backfill.at(serve(world, latency=0.2))
    backfill.environment["SLICE_PAGES"] = "1"
    async with shop.connected(backfill.dsn) as host:
        buyer = await shop.buyer(host)
    database, backup = urlsplit(backfill.dsn).path[1:], f"backup_{uuid.uuid4().hex[:12]}"

    worker = await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(repository), types=())

    await has_more_pages_than(backfill, 1)
    worker.stop()
    backed_up = await pages(backfill)
    await backfill.close()
    await postgres.create_database(backup, database)
    worker = await backfill.start_worker(backfill.environment)
    await has_more_pages_than(backfill, backed_up + 1)

    worker.stop()
    await backfill.close()
    await postgres.drop_database(database)
    await postgres.create_database(database, backup)
    await postgres.drop_database(backup)
    assert await pages(backfill) == backed_up
    assert of("starter.py") == [["migrate"], ["reconcile", "--dry-run"], ["reconcile"], ["retry", "JOB"]]
    await run(backfill, "migrate")
    await end_all(backfill)
    await backfill.start_worker(backfill.environment)
    async with PolarServer() as polar:
        backfill.environment |= {"POLAR_ACCESS_TOKEN": polar.token, "POLAR_API_URL": polar.url}
        bought_by = {"user_id": str(buyer.auth_user_id)}
        polar.change(str(uuid.uuid4()), "active", datetime.now(UTC), product_id=shop.YEAR, metadata=bought_by)
        await run(backfill, "reconcile")
        assert "0 differences" in await run(backfill, "reconcile", "--dry-run")
    assert await retry_what_lost_its_workflow(backfill) == [job_id]
    await backfill.until("status = 'completed' and attempt = 1", job_id)
    await check(backfill.dsn, repository)
    assert await backfill.rows("select from subscription_addons where status = 'active'")


async def test_temporal_is_restored_from_before_what_postgres_knows(
    serve: Callable[..., StandIn], backfill: Backfill, programs: Programs
) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world, latency=0.2)
    backfill.at(github)
    server = temporal_server.start(programs, durable=True)
    backfill.environment |= {"SLICE_PAGES": "1", "TEMPORAL_ADDRESS": server.address}
    backfill.client = await Client.connect(server.address, data_converter=pydantic_data_converter)

    async def start_worker() -> Process:
        return await run_worker(programs, backfill.client, backfill.environment)

    worker = await start_worker()
    job_id = await backfill.start(await backfill.workspace(repository), types=())
    await has_more_pages_than(backfill, 1)
    worker.stop()
    server.process.stop()
    backup = {path: path.read_bytes() for path in programs.directory.glob("temporal-*.db*")}
    assert backup
    backed_up = await pages(backfill)
    server = await server.restart(programs)
    worker = await start_worker()
    await has_more_pages_than(backfill, backed_up + 1)

    worker.stop()
    server.process.stop()
    for path in programs.directory.glob("temporal-*.db*"):
        path.unlink()
    for path, content in backup.items():
        path.write_bytes(content)
    server = await server.restart(programs)
    await end_all(backfill)
    await start_worker()
    assert await retry_what_lost_its_workflow(backfill) == [job_id]
    await backfill.until("status = 'completed' and attempt = 1", job_id)
    await check(backfill.dsn, repository)
    assert_nothing_twice(github.log)
