"""One record on GitHub is one row, always the same one: doing it again changes nothing, and what is gone is gone."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messages import RepositoryRef
from rows import (
    Comment,
    Contributor,
    Discussion,
    DiscussionComment,
    Issue,
    Page,
    PullRequest,
    RequestedReviewer,
    Review,
)
from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.pull_requests import Review as WorldReview
from store import contributors, pages, sweeps
from store.database import Database
from store.sweeps import LeaseLostError, Sweep
from tests.support.backfill.rows import OURS, all_rows
from tests.support.backfill.whole import Backfill
from tests.support.shop import connected
from tests.support.truth import check


async def test_a_second_job_changes_no_row_and_a_third_takes_out_what_is_gone(
    serve: Callable[..., StandIn], direct: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/again", pull_requests=60, issues=40, deep_pull_requests=1, years=2))
    direct.at(serve(world))
    await direct.start_worker(direct.environment)
    workspace_id = await direct.workspace(repository)
    await direct.completed(await direct.start(workspace_id))
    await check(direct.dsn, repository)
    before = await all_rows(direct.dsn)
    assert {"pull_requests", "issues", "comments", "reviews", "issue_events", "requested_reviewers"} <= {
        name for name, checksum in before.items() if checksum
    }
    for arguments in ((), ("--fresh",)):
        await direct.completed(await direct.start(workspace_id, *arguments))
        assert await all_rows(direct.dsn) == before

    someone = world.account("somebody")
    parent = next(each.reply_to for each in repository.review_comments.values() if each.reply_to)
    replies = [each.database_id for each in repository.review_comments.values() if each.reply_to is parent]
    talked_about = next(each for each in repository.issues.values() if len(each.comments) > 2)
    comment = talked_about.comments[1]
    vanishing = next(
        each
        for pull in repository.pull_requests.values()
        for each in pull.reviews
        if pull is not parent.pull_request and each.comments and not any(it.reply_to for it in each.comments)
    )
    lost = [("review_comment", each.database_id) for each in (parent, *vanishing.comments)]
    lost.append(("issue_comment", comment.database_id))
    parent.delete()
    parent.pull_request.edit(body="without that comment", by=someone)
    comment.delete()
    talked_about.edit(body="without that comment", by=someone)
    vanish(vanishing)
    await direct.completed(await direct.start(workspace_id))
    left = await direct.rows("select comment_type, github_id, in_reply_to_id from comments")
    assert not {(row["comment_type"], row["github_id"]) for row in left} & {*lost}
    orphans = [row for row in left if row["comment_type"] == "review_comment" and row["github_id"] in replies]
    assert [row["in_reply_to_id"] for row in orphans] == [None] * len(replies)
    assert not await direct.rows("select 1 from reviews where github_id = $1", vanishing.database_id)
    await check(direct.dsn, repository)


def vanish(review: WorldReview) -> None:
    """As a review without words of its own does when its last comment is deleted."""
    for comment in list(review.comments):
        comment.delete()
    with review.repository.changed():
        review.pull_request.reviews.remove(review)
        review.world.forget(review)
        review.pull_request.bump()


# --- Straight against Postgres ----------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)
PEOPLE = {number: Contributor(number, f"person-{number}", None, None, False) for number in (1, 2)}
PULL = PullRequest(
    github_id=10,
    node_id="PR_10",
    number=1,
    title="as it is",
    body="body",
    state="open",
    author=1,
    author_login="person-1",
    draft=False,
    merged=False,
    merged_by=None,
    base_branch="main",
    head_branch="topic",
    additions=1,
    deletions=1,
    changed_files=1,
    commits=1,
    created_at=EARLIER,
    updated_at=NOW,
    closed_at=None,
    merged_at=None,
    html_url="url",
    labels=[{"name": "bug"}],
    milestone=None,
    assignees=[],
)
ISSUE = Issue(
    github_id=20,
    node_id="I_20",
    number=2,
    title="as it is",
    body="body",
    state="open",
    author=1,
    closed_by=None,
    created_at=EARLIER,
    updated_at=NOW,
    closed_at=None,
    labels=[],
    milestone=None,
    assignees=[],
    linked_prs=[],
)
REVIEW = Review(30, 10, 1, "APPROVED", "as it is", NOW, NOW, "oid")
COMMENT = Comment(
    comment_type="review_comment",
    github_id=40,
    pull_request=10,
    issue=None,
    review=30,
    in_reply_to=None,
    author=1,
    body="as it is",
    path="a.py",
    position=1,
    original_position=1,
    diff_hunk="@@",
    commit_id="oid",
    created_at=NOW,
    updated_at=NOW,
)


def page(asked_at: datetime, **changes: Any) -> Page:
    """A pull request with a review and its comment, and an issue, all with these changes."""

    def changed(row: Any) -> Any:
        words = {"title": changes.get("words"), "body": changes.get("words")} if "words" in changes else {}
        wanted = {**words, **{name: value for name, value in changes.items() if name != "words"}}
        return row._replace(**{name: value for name, value in wanted.items() if name in row._fields})

    return Page(
        asked_at,
        contributors=dict(PEOPLE),
        pull_requests=[changed(PULL)],
        issues=[changed(ISSUE)],
        requested_reviewers=[RequestedReviewer(10, changes.get("reviewer", "asked"), None)],
        reviews=[changed(REVIEW)],
        comments=[changed(COMMENT)],
    )


@pytest.fixture
async def store(database: str) -> AsyncIterator[tuple[Database, RepositoryRef]]:
    async with Database(database) as pool, connected(database) as connection:
        repository_id = await connection.fetchval(
            "insert into repositories (github_id, owner, name, full_name) values (1, 'o', 'n', 'o/n') returning id"
        )
        yield pool, RepositoryRef(repository_id=str(repository_id), github_id=1, full_name="o/n")


async def write(store: tuple[Database, RepositoryRef], of: Page) -> None:
    pool, repository = store
    await contributors.write(pool, of.contributors.values(), of.asked_at)
    async with pool.transaction() as connection:
        await pages.write(connection, repository, of)


LATER = NOW + timedelta(hours=1)
OLD = {"words": "old", "reviewer": "asked before"}
OLDER = {
    "updated earlier": page(LATER, updated_at=NOW - timedelta(seconds=1), **OLD),
    "updated then too, asked for earlier": page(NOW - timedelta(seconds=1), **OLD),
}


@pytest.mark.parametrize("name", OLDER)
async def test_an_older_answer_replaces_nothing(
    name: str, database: str, store: tuple[Database, RepositoryRef]
) -> None:
    await write(store, page(NOW))
    before = await all_rows(database)
    await write(store, OLDER[name])
    assert await all_rows(database) == before
    # So that the above is not true of everything: the same words in a newer answer do.
    await write(store, page(LATER, updated_at=NOW + timedelta(seconds=1), words="old"))
    after = await all_rows(database)
    for table in ("pull_requests", "issues", "reviews", "comments"):
        assert after[table] != before[table]


async def test_an_answer_asked_for_later_replaces_an_equally_old_one_without_a_new_id(
    database: str, store: tuple[Database, RepositoryRef]
) -> None:
    """What changes within a second, or moves no updatedAt at all: a comment's position."""
    await write(store, page(NOW))
    async with connected(database) as connection:
        before = await connection.fetchrow("select * from comments")
        await write(store, page(NOW + timedelta(minutes=1), position=None))
        after = await connection.fetchrow("select * from comments")
    assert before is not None
    assert after is not None
    assert (before["position"], after["position"], after["id"]) == (1, None, before["id"])


TALK = Discussion(
    github_id=50,
    node_id="D_50",
    number=3,
    title="as it is",
    body="body",
    url="url",
    category_id=None,
    category_name=None,
    category_description=None,
    category_emoji=None,
    author=1,
    author_login="person-1",
    is_answered=None,
    answer_id=None,
    answer_chosen_at=None,
    answer_chosen_by=None,
    upvote_count=5,
    comment_count=1,
    locked=True,
    created_at=EARLIER,
    updated_at=NOW,
)
WORD = DiscussionComment(60, "DC_60", 50, None, 1, "person-1", "body", True, 6, 7, EARLIER, NOW)


async def test_what_a_later_answer_does_not_tell_stays_as_it_is(
    database: str, store: tuple[Database, RepositoryRef]
) -> None:
    """Fields that GitHub always tells, and that a server's schema may lack: null is no newer value of them."""

    def changed(row: Any, updated_at: datetime, changes: dict[str, Any]) -> Any:
        known = {name: value for name, value in changes.items() if name in row._fields}
        return row._replace(updated_at=updated_at, **known)

    def talk(asked_at: datetime, updated_at: datetime, **changes: Any) -> Page:
        """As `page`, with a discussion and its comment."""
        of = page(asked_at, updated_at=updated_at, **changes)
        of.discussions.append(changed(TALK, updated_at, changes))
        of.discussion_comments.append(changed(WORD, updated_at, changes))
        return of

    untold: dict[str, tuple[str, ...]] = {
        "pull_requests": ("draft", "additions", "deletions", "changed_files", "commits", "html_url"),
        "discussions": ("upvote_count", "locked"),
        "discussion_comments": ("is_answer", "upvote_count", "reply_count"),
    }
    await write(store, talk(NOW, NOW))
    nothing = {name: None for names in untold.values() for name in names}
    await write(store, talk(LATER, LATER, **nothing))
    async with connected(database) as connection:
        for table, names in untold.items():
            [row] = await connection.fetch(f"select updated_at, {', '.join(names)} from {table}")
            assert row["updated_at"] == LATER, table
            known = {"pull_requests": PULL, "discussions": TALK, "discussion_comments": WORD}[table]
            assert tuple(row)[1:] == tuple(getattr(known, name) for name in names)
        # And a row that never had them is written all the same, and gets them once they are told.
        await connection.execute("delete from discussions")
        await write(store, talk(LATER, LATER, **nothing))
        assert await connection.fetchval("select reply_count from discussion_comments") is None
        counted = Page(LATER, reply_counts={60: 8})
        await write(store, counted)
        assert await connection.fetchval("select reply_count from discussion_comments") == 8


async def test_an_attempt_that_lost_its_lease_writes_nothing(
    database: str, store: tuple[Database, RepositoryRef]
) -> None:
    pool, repository = store
    async with connected(database) as connection:
        job_id = str(
            await connection.fetchval(
                """
                with someone as (
                    insert into app_users (auth_user_id) values (gen_random_uuid()) returning id
                ), workspace as (
                    insert into workspaces (name, slug, owner_id) select 'w', 'w', id from someone returning id
                )
                insert into workspace_backfill_jobs (workspace_id, retention_days, cutoff_at, backfill_types, status)
                select id, 30, now(), '{pull_requests}', 'in_progress' from workspace returning id
                """
            )
        )
        await connection.execute(
            "insert into workspace_backfill_progress (backfill_job_id, repository_id) values ($1, $2)",
            job_id,
            repository.repository_id,
        )
    zombie, heir = [await take(pool, job_id, repository, owner) for owner in ("zombie", "heir")]
    assert heir.token == zombie.token + 1
    await commit(pool, heir, page(NOW), cursor="of the heir")

    async def everything() -> tuple[dict[str, str], list[Any]]:
        async with connected(database) as connection:
            ours = [row for table in OURS for row in await connection.fetch(f"select * from {table}")]
        return await all_rows(database), ours

    before = await everything()
    with pytest.raises(LeaseLostError):
        await commit(pool, zombie, page(LATER, words="of the zombie"), cursor="of the zombie")
    await sweeps.release(pool, zombie)
    assert await everything() == before
    await commit(pool, heir, page(LATER, words="of the heir"), cursor="next")
    assert await everything() != before


async def take(pool: Database, job_id: str, repository: RepositoryRef, owner: str) -> Sweep:
    return await sweeps.take(pool, job_id, repository, "pull_requests", EARLIER, owner)


async def commit(pool: Database, sweep: Sweep, of: Page, *, cursor: str) -> None:
    """A page's transaction, as the activity makes it but for the fence, which is also the commit's."""
    await contributors.write(pool, of.contributors.values(), of.asked_at)
    async with pool.transaction() as connection:
        await sweeps.fence(connection, sweep)
        counts = sweep.counts + await pages.write(connection, sweep.repository, of)
        await sweeps.commit(connection, sweep, position={"cursor": cursor}, counts=counts)
    sweep.counts = counts


async def test_a_row_of_the_hosts_that_claims_to_be_newer_is_replaced_all_the_same(
    database: str, store: tuple[Database, RepositoryRef]
) -> None:
    """Capture steps of the host wrote their own time over GitHub's `updated_at` (what broke, 18)."""
    await write(store, page(NOW))
    async with connected(database) as connection:
        for table in ("pull_requests", "issues"):
            await connection.execute(
                f"update {table} set node_id = null, last_synced_at = null, title = 'captured', updated_at = now()"
            )
        await connection.execute("update comments set last_synced_at = null, body = 'captured', updated_at = now()")
        await write(store, page(NOW))
        for table in ("pull_requests", "issues"):
            assert await connection.fetchval(f"select title from {table}") == "as it is"
        assert await connection.fetchval("select body from comments") == "as it is"
