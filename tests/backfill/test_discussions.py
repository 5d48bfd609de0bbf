"""Discussions: two levels, answers, long threads, and what changes while they are read."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.github import StandIn, World
from sandbox.github.exchange.requests import Request
from sandbox.github.faults import BadGateway, Effect, NullNode, ResourceLimits, Touch
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from tests.support.backfill.whole import Backfill
from tests.support.truth import check, differences, expected, stored

PLAN = Plan(
    "acme/forum",
    pull_requests=5,
    issues=5,
    discussions=130,
    discussion_comments=6,
    discussion_replies=6,
    deep_discussions=3,
    deep_replies=2,
    deep_comments=230,
    wide_ids=0.2,
    years=1,
)


@pytest.fixture
def backfill(direct: Backfill) -> Backfill:
    return direct


async def test_every_discussion_is_stored_whole(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    job_id = await backfill.start(workspace_id, types=("discussions",))
    await backfill.completed(job_id)
    repository.pull_requests.clear()
    repository.issues.clear()
    await check(backfill.dsn, repository)
    counts = repository.counts()
    [progress] = await backfill.rows("select * from workspace_backfill_progress where backfill_job_id = $1", job_id)
    assert progress["discussions_count"] == counts["discussions"]
    assert progress["comments_count"] == counts["discussion_comments"]
    assert progress["data_types_completed"] == ["discussions"]


async def test_changes_while_they_are_read_are_not_missed(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world = World()
    repository = generate(world, Plan("acme/busy", 0, 0, discussions=120, deep_discussions=1, years=1))
    github = serve(world)
    chance = random.Random(11)
    someone = world.account("somebody")

    def change(_: Request) -> None:
        for discussion in chance.sample(list(repository.discussions.values()), 4):
            what = chance.choice(["edit", "comment", "reply", "answer", "lock", "delete comment", "upvote", "new"])
            if what == "edit":
                discussion.edit(title=f"{discussion.title} again", body="changed")
            elif what == "comment":
                discussion.comment(someone, "while you were reading")
            elif what == "reply" and discussion.comments:
                discussion.comments[0].reply(someone, "to the first")
            elif what == "answer" and discussion.category.is_answerable and discussion.comments:
                discussion.comments[-1].mark_as_answer(someone)
            elif what == "lock":
                discussion.lock()
            elif what == "delete comment" and discussion.comments:
                discussion.comments[0].delete()
                discussion.bump()
            elif what == "upvote":
                discussion.upvote()
                discussion.bump()
            elif what == "new":
                repository.open_discussion(someone, "new while you were reading", "body", category="Q&A")

    github.faults.add(Touch(change), times=None, operation="Discussions")
    github.faults.add(Touch(change), times=2, operation="DiscussionListing")
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    await backfill.completed(await backfill.start(await backfill.workspace(repository), types=("discussions",)))
    await check(backfill.dsn, repository)


@pytest.mark.parametrize(
    ("effect", "how"),
    [
        (NullNode(over=3), {"operation": "Discussions"}),
        (BadGateway(), {"page_over": 5}),
        (ResourceLimits(served=2), {"operation": "DiscussionComments", "times": 2}),
    ],
    ids=["null in large pages", "502 on large pages", "half of the comments"],
)
async def test_what_is_too_large_is_asked_for_in_smaller_pages(
    effect: Effect, how: dict[str, Any], serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(
        world, Plan("acme/large", 0, 0, discussions=40, deep_discussions=1, deep_comments=60, deep_replies=1, years=1)
    )
    github = serve(world)
    fault = github.faults.add(effect, **({"times": None, "kind": "graphql"} | how))
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    await backfill.completed(await backfill.start(await backfill.workspace(repository), types=("discussions",)))
    assert fault.hits
    await check(backfill.dsn, repository)


async def test_one_that_is_too_heavy_to_be_had_whole_is_fetched_in_parts(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/heavy", 0, 0, discussions=30, deep_discussions=1, years=1))
    github = serve(world)
    heavy = max(repository.discussions.values(), key=lambda each: len(each.comments))
    for operation in ("Discussions", "DiscussionsById"):
        github.faults.add(NullNode(number=heavy.number), times=None, operation=operation)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    await backfill.completed(await backfill.start(await backfill.workspace(repository), types=("discussions",)))
    assert "DiscussionHeads" in {entry.operation for entry in github.log}
    await check(backfill.dsn, repository)


async def test_where_they_are_switched_off_the_type_is_skipped_and_says_so(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/silent", 3, 3))
    backfill.at(serve(world))
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(repository), types=("issues", "discussions"))
    await backfill.completed(job_id)
    said = await backfill.run_starter(backfill.environment, "status", job_id)
    assert said.exit_code == 0
    assert "discussions are switched off in acme/silent" in " ".join(said.stdout.split())
    only = await backfill.completed(await backfill.start(await backfill.workspace(repository), types=("discussions",)))
    assert (only["completed_repositories"], only["failed_repositories"]) == (1, 0)
    [progress] = await backfill.rows(
        "select status, data_types_skipped from workspace_backfill_progress where backfill_job_id = $1", only["id"]
    )
    assert (progress["status"], progress["data_types_skipped"]) == ("skipped", ["discussions"])


async def test_the_hosts_own_rows_keep_their_ids_and_wrong_ones_are_corrected(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(
        world, Plan("acme/known", 0, 0, discussions=6, discussion_comments=3, discussion_replies=2, wide_ids=0)
    )
    backfill.at(serve(world))
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    known, mistaken, *_ = repository.discussions.values()
    replied_to = next(each for each in known.comments) if known.comments else known.comment(None, "first")
    reply = replied_to.replies[0] if replied_to.replies else replied_to.reply(None, "second")
    host = """
      insert into discussions (id, github_id, repository_id, number, title, url, created_at, updated_at, synced_at)
      select $1, $2, id, $3, 'as the host knew it', '', now(), now(), now() from repositories where github_id = $4
    """
    await backfill.rows(host, known.node_id(False), known.database_id, known.number, repository.database_id)
    # A number taken for GitHub's id: what broke, 15.
    await backfill.rows(host, "D_other", mistaken.number, mistaken.number, repository.database_id)
    for comment, parent in ((replied_to, None), (reply, replied_to)):
        await backfill.rows(
            "insert into discussion_comments (id, github_id, discussion_id, discussion_number, parent_comment_id,"
            " body, created_at, updated_at) values ($1, $2, $3, $4, $5, 'old', now(), now())",
            comment.node_id(False),
            comment.database_id,
            known.node_id(False),
            known.number,
            parent and parent.node_id(False),
        )
    await backfill.completed(await backfill.start(workspace_id, types=("discussions",)))
    facts = expected(repository)
    facts["discussions"][known.number]["id"] = known.node_id(False)
    facts["discussions"][mistaken.number]["id"] = "D_other"
    for comment in (replied_to, reply):
        facts["discussion_comments"][comment.database_id]["id"] = comment.node_id(False)
    for sibling in replied_to.replies:
        facts["discussion_comments"][sibling.database_id]["parent_comment_id"] = replied_to.node_id(False)
    assert differences(facts, await stored(backfill.dsn, repository.database_id)) == []
