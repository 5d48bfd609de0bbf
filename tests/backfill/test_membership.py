"""A repository that is removed from its workspace stops; its siblings go on."""

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
