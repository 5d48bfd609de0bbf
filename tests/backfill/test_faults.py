"""What GitHub does to those who read it: each failure ends in every record stored, or in a word that says why not."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messages import THREADS
from sandbox.github import StandIn, World
from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.requests import Reply, Request, json_reply
from sandbox.github.faults import (
    BadCredentials,
    BadGateway,
    Edited,
    Effect,
    GatewayTimeout,
    Headers,
    NullNode,
    ProxyPage,
    Reset,
    ResourceLimits,
    SecondaryLimit,
    ServerError,
    SomethingWentWrong,
    Touch,
    Truncated,
)
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.accounts import Team
from sandbox.github.world.identity import State
from sandbox.github.world.repositories import Repository
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.whole import Backfill
from tests.support.shop import connected
from tests.support.truth import check

SMALL = Plan(
    "acme/small",
    pull_requests=50,
    issues=30,
    reviews=3,
    review_comments=1,
    comments=2,
    events=2,
    deep_pull_requests=1,
    deep_threads=1,
    years=2,
)
"""Three pages of pull requests and two of issues. 120 of the 150 reviews are of one pull request, and 130 of the 160
comments are of one thread.
"""


def small() -> tuple[World, Repository]:
    world = World()
    return world, generate(world, SMALL)


async def run(backfill: Backfill, github: StandIn, repository: Repository) -> str:
    await ready(backfill, github)
    return await backfill.start(await backfill.workspace(repository))


async def ready(backfill: Backfill, github: StandIn) -> None:
    """A worker that has asked whose its token is."""
    backfill.at(github)
    await backfill.start_worker(backfill.environment)


PASSING: dict[str, tuple[Effect, dict[str, object]]] = {
    "502 as HTML on large pages": (BadGateway(), {"times": 3, "page_over": 5, "kind": "graphql"}),
    "502 as JSON": (BadGateway(json=True), {"times": 2, "kind": "graphql"}),
    "504": (GatewayTimeout(), {"times": 2, "kind": "graphql"}),
    "an error inside HTTP 200": (SomethingWentWrong(), {"times": 2}),
    "resource limits with half the answer": (ResourceLimits(served=3), {"times": 2, "operation": "PullRequests"}),
    "a node that is null in large pages": (NullNode(over=3), {"times": None, "operation": "Issues"}),
    "500": (ServerError(), {"times": 1}),
    "405 of a proxy": (ProxyPage(), {"times": 2}),
    "304 of a proxy": (ProxyPage(304), {"times": 2}),
    "413 on large pages": (ProxyPage(413), {"times": 3, "page_over": 5, "kind": "graphql"}),
    "a connection reset in the middle": (Reset(), {"times": 2}),
    "half an answer": (Truncated(), {"times": 2}),
    "a secondary limit that says how long": (SecondaryLimit(retry_after=1), {"times": 2}),
    "a secondary limit in HTTP 200": (SecondaryLimit(retry_after=1, status=200), {"times": 1, "kind": "graphql"}),
    "headers that are missing": (
        Headers(drop=("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-used", "x-ratelimit-reset", "Date")),
        {"times": None},
    ),
    "a reset in the past": (Headers(set={"x-ratelimit-reset": "1000000000"}), {"times": None}),
    "an absurd reset": (Headers(set={"x-ratelimit-reset": "99999999999"}), {"times": None}),
}


@pytest.fixture
def backfill(direct: Backfill) -> Backfill:
    return direct


@pytest.mark.parametrize("name", PASSING)
async def test_what_passes_costs_no_record(name: str, serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world, repository = small()
    github = serve(world)
    await ready(backfill, github)
    effect, how = PASSING[name]
    fault = github.faults.add(effect, **how)
    job_id = await backfill.start(await backfill.workspace(repository))
    await backfill.completed(job_id)
    assert fault.hits > 0
    await check(backfill.dsn, repository)


async def test_pages_recover_their_size(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world = World()
    repository = generate(world, Plan("acme/wide", pull_requests=150, issues=0, years=2, **LITTLE))
    github = serve(world)
    github.faults.add(BadGateway(), times=3, operation="PullRequests", page_over=5)
    await backfill.completed(await run(backfill, github, repository))
    sizes = [entry.page_size for entry in github.log if entry.operation == "PullRequests" and entry.variables["first"]]
    firsts = [entry.variables["first"] for entry in github.log if entry.operation == "PullRequests"]
    assert sizes
    assert firsts[:5] == [24, 12, 6, 3, 6]
    assert firsts[-2] == 24, "the last asks for what is left"
    await check(backfill.dsn, repository)


async def test_a_refused_cursor_is_found_again(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world, repository = small()
    github = serve(world)
    refused: list[str] = []

    def refuse(request: object) -> None:
        after = getattr(request, "variables", {}).get("after")
        if after and getattr(request, "operation", "") in ("PullRequests", "Issues") and not refused:
            refused.append(after)
            github.faults.refuse_cursor(after)

    github.faults.add(Touch(refuse), times=None, kind="graphql")
    await backfill.completed(await run(backfill, github, repository))
    assert refused
    await check(backfill.dsn, repository)


async def test_a_thread_too_heavy_for_any_page_is_fetched_in_parts(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    """Asked for whole it is null at every size; by itself, and its timeline by itself, it is served."""
    world, repository = small()
    github = serve(world)
    number = max(repository.pull_requests)
    github.faults.add(NullNode(number=number), times=None, operation="PullRequests")
    github.faults.add(NullNode(number=number), times=None, operation="PullRequestsById")
    await backfill.completed(await run(backfill, github, repository))
    await check(backfill.dsn, repository)


async def test_a_thread_that_cannot_be_had_is_noted_and_the_rest_goes_on(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world, repository = small()
    github = serve(world)
    number = min(repository.issues)
    github.faults.add(NullNode(number=number, asking=frozenset({"timelineItems"})), times=None)
    await backfill.completed(await run(backfill, github, repository))
    [note] = await backfill.rows("select kind, what, number from backfill_notes")
    assert tuple(note) == ("unavailable", "timeline", number)
    stored = await backfill.rows("select count(*) as n from issues")
    assert stored[0]["n"] == len(repository.issues)
    github.faults.clear()
    await backfill.completed(await backfill.start(backfill.workspaces[0]))
    assert not await backfill.rows("select from backfill_notes")
    await check(backfill.dsn, repository)


async def test_reviews_that_a_timeline_does_not_show_are_read_by_themselves(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    """Not documented either way: whether reviews made of replies only are in a timeline. The count tells."""
    world, repository = small()
    github = serve(world)

    def hide(content: dict[str, Any]) -> None:
        for pull in content["data"]["repository"]["threads"]["nodes"]:
            timeline = pull["timelineItems"]
            reviews = [item for item in timeline["nodes"] if item["__typename"] == "PullRequestReview"]
            if reviews and not timeline["pageInfo"]["hasNextPage"]:
                timeline["nodes"].remove(reviews[-1])
                timeline["filteredCount"] -= 1

    fault = github.faults.add(Edited(hide), times=None, operation="PullRequests")
    await backfill.completed(await run(backfill, github, repository))
    assert fault.hits
    assert "PullRequestReviews" in {entry.operation for entry in github.log}
    await check(backfill.dsn, repository)


@pytest.mark.parametrize(
    ("state", "word"), [("gone", "gone"), ("forbidden", "forbidden"), ("taken_down", "taken_down")]
)
async def test_a_repository_that_cannot_be_had_ends_with_its_word_and_stops_no_other(
    state: str, word: str, serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world, repository = small()
    lost = generate(world, Plan("acme/lost", pull_requests=3, issues=2))
    lost.become(state)  # type: ignore[arg-type]
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(repository, lost))
    job = await backfill.ended(job_id)
    assert (job["status"], job["completed_repositories"], job["failed_repositories"]) == ("completed", 1, 1)
    assert "acme/lost" in job["error_message"]
    assert [each["code"] for each in job["error_details"]] == [word]
    assert job["metadata"]["errors"] == job["error_details"]
    await check(backfill.dsn, repository)
    [notice] = await backfill.rows("select * from notifications where status = 'completed'")
    assert "failures" in notice["title"]


@pytest.mark.parametrize("state", ["gone", "forbidden", "taken_down"])
async def test_a_repository_that_goes_while_it_is_read_ends_with_its_word(
    state: State, serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    kept = generate(world, Plan("acme/small", 30, 20, **LITTLE))
    lost = generate(world, Plan("acme/lost", pull_requests=60, issues=60, discussions=60, **LITTLE))
    github = serve(world)
    backfill.at(github)
    lose = Touch(lambda _: lost.become(state))
    for operation in ("PullRequests", "Issues", "Discussions"):
        github.faults.add(lose, operation=operation, when=lambda it: bool(it.variables["after"]))
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(kept, lost)
    job = await backfill.ended(await backfill.start(workspace_id, types=sorted(THREADS)))
    assert (job["status"], job["completed_repositories"], job["failed_repositories"]) == ("completed", 1, 1)
    told = [(each["repository"], each["code"]) for each in job["error_details"]]
    assert set(told) == {("acme/lost", state)}
    assert len(told) > 1, "each type that was on its way says so"
    await check(backfill.dsn, kept)


async def test_a_repository_that_is_transferred_and_archived_while_it_is_read_goes_on(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/small", pull_requests=60, issues=60, **LITTLE))
    github = serve(world)

    def transfer(_: Request) -> None:
        repository.rename("elsewhere/grown")
        repository.is_archived = True

    github.faults.add(Touch(transfer), operation="Issues", when=lambda it: bool(it.variables["after"]))
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    await backfill.completed(await backfill.start(workspace_id))
    # The next job inspects it and finds the new name, under which nothing has to be fetched again.
    await backfill.completed(await backfill.start(workspace_id))
    await check(backfill.dsn, repository)
    rows = await backfill.rows("select distinct repository_full_name from pull_requests")
    assert [row["repository_full_name"] for row in rows] == ["elsewhere/grown"]
    assert not [entry for entry in github.log if entry.operation.endswith("ById")]


async def test_a_renamed_repository_keeps_its_row(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world, repository = small()
    github = serve(world)
    backfill.at(github)
    workspace_id = await backfill.workspace(repository)
    repository.rename("acme/grown")
    generate(world, Plan("acme/small", pull_requests=2, issues=1))  # the old name is somebody else's now
    await backfill.start_worker(backfill.environment)
    await backfill.completed(await backfill.start(workspace_id))
    rows = await backfill.rows("select github_id, full_name, owner, name from repositories")
    assert [tuple(row) for row in rows] == [(repository.database_id, "acme/grown", "acme", "grown")]
    await check(backfill.dsn, repository)


async def test_issues_switched_off_are_skipped_with_the_reason(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/quiet", pull_requests=5, issues=0))
    repository.has_issues_enabled = False
    await backfill.completed(job_id := await run(backfill, serve(world), repository))
    [row] = await backfill.rows("select * from workspace_backfill_progress where backfill_job_id = $1", job_id)
    assert (row["data_types_completed"], row["data_types_skipped"]) == (["pull_requests"], ["issues"])
    [sweep] = await backfill.rows("select * from backfill_sweeps where data_type = 'issues'")
    assert sweep["error"]["code"] == "issues_disabled"


async def test_a_repository_without_anything_is_completed_with_nothing(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/empty", pull_requests=0, issues=0))
    await backfill.completed(await run(backfill, serve(world), repository))
    await check(backfill.dsn, repository)


async def test_only_what_the_retention_reaches_is_in_scope(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world = World()
    repository = generate(world, Plan("acme/old", pull_requests=100, issues=60, years=4, **LITTLE))
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(repository), days=365)
    job = await backfill.completed(job_id)
    cutoff = job["cutoff_at"]
    assert abs(datetime.now(UTC) - timedelta(days=365) - cutoff) < timedelta(minutes=1)
    recent = [each for each in repository.pull_requests.values() if datetime.fromisoformat(each.updated_at) >= cutoff]
    assert 0 < len(recent) < 100
    stored = {row["number"] for row in await backfill.rows("select number from pull_requests")}
    assert {each.number for each in recent} <= stored
    assert len(stored) < 100
    [row] = await backfill.rows("select * from workspace_backfill_progress")
    assert row["pull_requests_count"] == len(recent)


async def test_a_username_that_moved_to_another_account(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world, repository = small()
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    await backfill.completed(await backfill.start(workspace_id))
    first = next(each for each in repository.issues.values() if each.author and each.author.typename == "User").author
    assert first is not None
    login = first.login
    first.rename("somebody-else-now")
    heir = world.account(login)
    repository.open_issue(heir, "I have your name now", "hello")
    await backfill.completed(await backfill.start(workspace_id, "--fresh"))
    await check(backfill.dsn, repository)


COMMENTS: dict[str, Any] = {"kind": "rest", "path": "*/comments?*"}


@pytest.mark.parametrize("pages", ["1", "20"])
async def test_a_list_of_comments_that_fails_is_asked_again(
    pages: str, serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, replace(SMALL, issues=40, comments=2.5))
    github = serve(world)
    backfill.environment["SLICE_PAGES"] = pages
    fault = github.faults.add(BadGateway(), times=3, **COMMENTS)
    await backfill.completed(await run(backfill, github, repository))
    assert fault.hits == 3
    asked = [entry for entry in github.log if "/comments?" in entry.path]
    assert Counter(entry.status for entry in asked)[502] == 3
    lists = Counter(
        entry.path.partition("?")[0].rpartition("/repositories/")[2] for entry in asked if entry.status == 200
    )
    number = repository.database_id
    assert lists[f"{number}/issues/comments"] == 2, "once for pull requests, once for issues"
    assert lists[f"{number}/pulls/comments"] >= 1
    await check(backfill.dsn, repository)


async def test_a_thread_that_no_page_showed_is_found_by_the_count(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world, repository = small()
    github = serve(world)
    hidden = sorted(repository.issues)[5]

    def hide(content: dict[str, Any]) -> None:
        threads = content["data"]["repository"]["threads"]
        threads["nodes"] = [node for node in threads["nodes"] if node["number"] != hidden]

    github.faults.add(Edited(hide), times=None, operation="Issues")
    job_id = await run(backfill, github, repository)
    await backfill.completed(job_id)
    [listing] = [entry for entry in github.log if entry.variables.get("orderBy")]
    assert listing.operation == "IssueListing"
    await check(backfill.dsn, repository)


async def test_what_github_deleted_is_marked_gone_when_the_counts_are_compared(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world, repository = small()
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    await backfill.completed(await backfill.start(workspace_id))
    deleted, hidden = sorted(repository.issues)[2], sorted(repository.issues)[9]
    repository.issue(deleted).delete()
    for number in sorted(repository.issues)[10:14]:
        repository.open_issue(world.account("new"), f"like #{number}")

    def hide(content: dict[str, Any]) -> None:
        threads = content["data"]["repository"]["threads"]
        threads["nodes"] = [node for node in threads["nodes"] if node["number"] != hidden]

    async with connected(backfill.dsn) as connection:
        await connection.execute("update issues set node_id = null where number = $1", hidden)
    github.faults.add(Edited(hide), times=None, operation="Issues")
    await backfill.completed(await backfill.start(workspace_id, "--fresh"))
    rows = await backfill.rows("select number from issues where gone_at is not null")
    assert [row["number"] for row in rows] == [deleted]
    await check(backfill.dsn, repository)


@dataclass
class TeamsNeedAScope(Effect):
    """GitHub refuses a whole query, statically, for one field that needs read:org."""

    def instead(self, request: Request, budget: Budget) -> Reply | None:  # noqa: ARG002
        if b"on Team" not in request.body:
            return None
        error = {"type": "INSUFFICIENT_SCOPES", "message": "Your token has not been granted the required scopes."}
        return json_reply(200, {"errors": [error]})


async def test_a_token_without_read_org_fetches_all_but_the_teams(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world, repository = small()
    github = serve(world)
    github.faults.add(TeamsNeedAScope(), times=None, kind="graphql")
    await backfill.completed(await run(backfill, github, repository))
    with repository.changed():
        for pull in repository.pull_requests.values():
            pull.review_requests = [each for each in pull.review_requests if not isinstance(each.reviewer, Team)]
    await check(backfill.dsn, repository)


async def test_one_401_is_not_believed(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world, repository = small()
    github = serve(world)
    github.faults.add(BadCredentials(), times=1, kind="graphql")
    await backfill.completed(await run(backfill, github, repository))
    await check(backfill.dsn, repository)


async def test_without_a_valid_token_the_job_fails_and_says_so(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world, repository = small()
    github = serve(world)
    github.refuse_token("ghp_stand_in")
    job = await backfill.ended(await run(backfill, github, repository))
    assert job["status"] == "failed"
    assert {each["code"] for each in job["error_details"]} == {"unauthorized"}
    assert "GITHUB_TOKENS" in job["error_details"][0]["action"]


async def test_a_reference_that_the_token_may_not_see_ends_nothing(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    """`closer` may be null; a refused field that may not takes its node along."""
    world, repository = small()
    elsewhere = generate(world, Plan("acme/private", pull_requests=1, issues=0))
    for issue in repository.issues.values():
        if not issue.closed:
            issue.close(closer=next(iter(elsewhere.pull_requests.values())))
    github = serve(world)
    hidden: list[list[Any]] = []

    def hide(content: dict[str, Any]) -> None:
        for place, node in enumerate(content["data"]["repository"]["threads"]["nodes"]):
            for index, item in enumerate(node["timelineItems"]["nodes"]):
                if item["__typename"] == "ClosedEvent" and item["closer"]:
                    item["closer"] = None
                    path = ["repository", "threads", "nodes", place, "timelineItems", "nodes", index, "closer"]
                    error = {"type": "FORBIDDEN", "path": path, "message": "Resource protected by SAML enforcement."}
                    content.setdefault("errors", []).append(error)
                    hidden.append(path)

    github.faults.add(Edited(hide), times=None, operation="Issues")
    await backfill.completed(await run(backfill, github, repository))
    assert hidden
    await check(backfill.dsn, repository)
