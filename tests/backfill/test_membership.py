"""A repository that is removed from its workspace stops, its siblings go on, and what it missed is fetched once it is
back.
"""

from collections.abc import Callable

from sandbox.github import StandIn, World
from sandbox.github.faults import Held
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.whole import Backfill
from tests.support.truth import check
from tests.support.waiting import eventually


async def test_a_removed_repository_stops_and_the_others_go_on(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    removed, kept = (generate(world, Plan(f"acme/{name}", 100, 100, years=2, **LITTLE)) for name in ("removed", "kept"))
    github = serve(world)
    held = Held()
    for operation in ("PullRequests", "Issues"):
        github.faults.add(held, times=None, operation=operation, when=lambda it: bool(it.variables["after"]))
    backfill.at(github)
    backfill.environment["SLICE_PAGES"] = "1"
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(removed, kept))

    async def both_begun() -> bool:
        rows = await backfill.rows("select 1 from backfill_sweeps where position ? 'cursor'")
        return len(rows) == 4

    await eventually(both_begun)
    [repository] = await backfill.rows(
        "delete from workspace_repositories using repositories r where r.id = repository_id and r.github_id = $1"
        " returning repository_id",
        removed.database_id,
    )
    held.release()
    job = await backfill.completed(job_id)
    assert (job["completed_repositories"], job["failed_repositories"]) == (2, 0)
    rows = await backfill.rows("select * from workspace_backfill_progress where backfill_job_id = $1", job_id)
    by_id = {row["repository_id"]: row for row in rows}
    stopped = by_id.pop(repository["repository_id"])
    assert (stopped["status"], stopped["data_types_skipped"]) == ("skipped", ["issues", "pull_requests"])
    assert [row["status"] for row in by_id.values()] == ["completed"]
    sweeps = await backfill.rows(
        "select error, status from backfill_sweeps where repository_id = $1", repository["repository_id"]
    )
    assert {(row["status"], row["error"]["code"]) for row in sweeps} == {("skipped", "removed")}
    asked = [entry for entry in github.log if entry.variables.get("name") == "removed"]
    assert len(asked) < 20, "it went on"
    await check(backfill.dsn, kept)


async def test_what_one_type_missed_while_its_repository_was_away_is_fetched_once_it_is_back(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    """Removed and added again within seconds: the one type has ended for it, the other never learns of it."""
    world = World()
    repository = generate(world, Plan("acme/back", 50, 80, years=0.2, **LITTLE))
    github = serve(world)
    held = {each: Held() for each in ("PullRequests", "Issues")}
    for operation, each in held.items():
        github.faults.add(each, times=None, operation=operation, when=lambda it: bool(it.variables["after"]))
    backfill.at(github)
    backfill.environment["SLICE_PAGES"] = "1"
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(repository))

    async def both_begun() -> bool:
        return len(await backfill.rows("select 1 from backfill_sweeps where position ? 'cursor'")) == 2

    await eventually(both_begun)
    [listed] = await backfill.rows("delete from workspace_repositories returning workspace_id, repository_id")
    held["Issues"].release()

    async def one_ended() -> bool:
        return len(await backfill.rows("select 1 from backfill_sweeps where status = 'skipped'")) == 1

    await eventually(one_ended)
    await backfill.rows("insert into workspace_repositories (workspace_id, repository_id) values ($1, $2)", *listed)
    await backfill.rows(
        """
        insert into subscription_addons (user_id, addon_type, retention_days, status)
        select auth_user_id, 'extended_data_retention', 365, 'active' from app_users
        """
    )
    held["PullRequests"].release()
    await backfill.completed(job_id)

    async def jobs() -> list[str]:
        return [
            str(row["id"])
            for row in await backfill.rows("select id from workspace_backfill_jobs where id <> $1", job_id)
        ]

    await eventually(jobs)
    [another] = await jobs()
    await backfill.completed(another)
    await check(backfill.dsn, repository)
    assert len(await jobs()) == 1
