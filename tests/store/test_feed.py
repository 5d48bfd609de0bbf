"""One happening is one row: what comes from any source against what any other stored, the host among them."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from errors import PartOver
from messages import RepositoryRef
from rows import EventSource, FeedEvent, Page, StarDay
from schema.migrate import migrate
from store import feed, pages, repositories, thread_events
from store.database import Database
from tests.support.shop import connected
from tests.support.waiting import PATIENCE

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
REPOSITORY_ID = "00000000-0000-4000-8000-0000000000f1"
REPOSITORY = RepositoryRef(repository_id=REPOSITORY_ID, github_id=77, full_name="octo/hello")


def seconds(number: float) -> datetime:
    return AT + timedelta(seconds=number)


def event(
    source: EventSource, event_id: str, actor: str, at: datetime, payload: dict[str, Any] | None = None
) -> FeedEvent:
    return FeedEvent(event_id, event_id.partition("_")[0], actor, at, payload or {}, source)


def push(
    source: EventSource, event_id: str, head: str, at: datetime, before: str = "0a", ref: str = "main"
) -> FeedEvent:
    payload = {"ref": f"refs/heads/{ref}", "before": before, "head": head}
    return event(source, f"PushEvent_{event_id}", "mona", at, payload)


def closing(source: EventSource, event_id: str, at: datetime, action: str = "closed") -> FeedEvent:
    payload = {"action": action, "number": 5, "pull_request": {"id": 50, "number": 5}}
    return event(source, f"PullRequestEvent_{event_id}", "mona", at, payload)


class Feed:
    """Postgres with one repository, and what its feed holds."""

    def __init__(self, dsn: str, database: Database) -> None:
        self.dsn, self.database = dsn, database

    async def write(self, *rows: FeedEvent, repository: RepositoryRef = REPOSITORY) -> int:
        """How many are new."""
        await feed.ensure_months(self.database, rows)
        async with self.database.transaction() as connection:
            new = await pages.write(connection, repository, Page(AT, feed=list(rows)))
        return new["events"]

    async def host(self, *rows: FeedEvent, processed: bool = False) -> None:
        """Stores as the host does: without a source."""
        await feed.ensure_months(self.database, rows)
        async with connected(self.dsn) as connection:
            await connection.executemany(
                """
                insert into github_events_cache (
                  event_id, event_type, actor_login, created_at, payload, repository_owner, repository_name, processed)
                values ($1, $2, $3, $4, $5, 'octo', 'hello', $6)
                """,
                [(*row[:-1], processed) for row in rows],
            )

    async def ids(self) -> list[str]:
        return [row["event_id"] for row in await self.rows("select event_id from github_events_cache order by 1")]

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        async with connected(self.dsn) as connection:
            return await connection.fetch(query, *arguments)


@pytest.fixture
async def stored(database: str) -> AsyncIterator[Feed]:
    async with Database(database, size=3) as opened:
        async with opened.transaction() as connection:
            await connection.execute(
                "insert into repositories (id, github_id, owner, name, full_name)"
                " values ($1, 77, 'octo', 'hello', 'octo/hello')",
                REPOSITORY_ID,
            )
        yield Feed(database, opened)


WATCH = event("stargazers", "WatchEvent_77_1", "Mona", AT)
FORK = event("forks", "ForkEvent_fork_9", "mona", AT, {"forkee": {"id": 9}})
RELEASE = event("releases", "ReleaseEvent_release_8", "mona", AT, {"action": "published", "release": {"id": 8}})
CREATE = event("activity", "CreateEvent_77_t", "mona", AT, {"ref": "topic", "ref_type": "branch"})
WIKI = event("events", "GollumEvent_4", "mona", AT, {"pages": []})
COMMENT = event("events", "IssueCommentEvent_6", "mona", AT, {"action": "created", "comment": {"id": 3}})

SAME: dict[str, tuple[FeedEvent, FeedEvent]] = {
    "its id": (WIKI, event("events", "GollumEvent_4", "mona", AT)),
    "the bare id, at another moment": (
        WIKI,
        event("events", "4", "mona", seconds(900))._replace(event_type="GollumEvent"),
    ),
    "what the archive has of it": (WIKI, event("archive", "GollumEvent_4", "mona", AT)),
    "the archive's of a bare id": (
        event("archive", "GollumEvent_4", "mona", AT),
        event("events", "4", "mona", seconds(900))._replace(event_type="GollumEvent"),
    ),
    "the archive's star": (WATCH, event("archive", "WatchEvent_11", "mona", seconds(59))),
    "the archive's push": (push("activity", "77_a", "bb", AT), push("archive", "14", "bb", seconds(9), "77")),
    "a star by its giver, in other letters": (WATCH, event("events", "WatchEvent_11", "mona", seconds(59))),
    "a fork, whenever": (FORK, event("events", "ForkEvent_12", "org", seconds(9_000), {"forkee": {"id": 9}})),
    "a fork that says nothing of itself": (FORK, event("events", "ForkEvent_12", "mona", seconds(40))),
    "a release, whenever": (RELEASE, event("events", "ReleaseEvent_13", "x", seconds(9_000), RELEASE.payload)),
    "a push by its head": (push("activity", "77_a", "bb", AT), push("events", "14", "bb", seconds(-599), "77")),
    "a push that says after": (
        push("activity", "77_a", "bb", AT),
        event("events", "PushEvent_15", "y", AT, {"ref": "refs/heads/main", "after": "bb"}),
    ),
    "a push of which a history tells": (
        push("history", "77_a", "bb", AT),
        push("events", "14", "bb", seconds(9_999_999)),
    ),
    "a branch in short": (
        CREATE,
        event("events", "CreateEvent_16", "z", seconds(60), {"ref": "refs/heads/topic", "ref_type": "branch"}),
    ),
    "a closing": (closing("threads", "50_closed_1", AT), closing("events", "17", seconds(60))),
    "a merge by that word": (closing("threads", "50_closed_1", AT), closing("events", "17", seconds(1), "merged")),
    "a comment": (COMMENT, event("threads", "IssueCommentEvent_18", "q", seconds(30), COMMENT.payload)),
    "anything else by its actor": (WIKI, event("threads", "GollumEvent_19", "MONA", seconds(2))),
}

OTHER: dict[str, tuple[FeedEvent, FeedEvent]] = {
    "a star a minute later": (WATCH, event("events", "WatchEvent_11", "mona", seconds(61))),
    "another's star": (WATCH, event("events", "WatchEvent_11", "lisa", AT)),
    "another fork": (FORK, event("events", "ForkEvent_12", "mona", AT, {"forkee": {"id": 10}})),
    "the release's end": (
        RELEASE,
        event("events", "ReleaseEvent_13", "mona", AT, RELEASE.payload | {"action": "edited"}),
    ),
    "another branch's push": (push("activity", "77_a", "bb", AT), push("events", "14", "bb", AT, ref="topic")),
    "the same commit pushed again": (push("activity", "77_a", "bb", AT), push("events", "14", "bb", seconds(601))),
    "a tag of the branch's name": (
        CREATE,
        event("events", "CreateEvent_16", "mona", AT, {"ref": "topic", "ref_type": "tag"}),
    ),
    "the reopening": (closing("threads", "50_closed_1", AT), closing("events", "17", AT, "reopened")),
    "anything else seconds later": (WIKI, event("threads", "GollumEvent_19", "mona", seconds(3))),
    "what the same source tells twice": (WIKI, event("events", "GollumEvent_20", "mona", AT)),
    "what the API and the archive tell under two ids": (WIKI, event("archive", "GollumEvent_20", "mona", seconds(1))),
    "another type's bare id": (WIKI, event("events", "4", "mona", seconds(900))._replace(event_type="MemberEvent")),
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("order", [1, -1])
async def test_the_same_happening_is_one_row(name: str, order: int, stored: Feed) -> None:
    one, other = SAME[name][::order]
    if "_" in one.event_id:
        assert await stored.write(one) == 1
    else:
        await stored.host(one)
    if "_" in other.event_id:
        assert await stored.write(other) == 0
        assert await stored.ids() == [one.event_id]


@pytest.mark.parametrize("name", SAME)
async def test_what_the_host_stored_before_is_not_doubled(name: str, stored: Feed) -> None:
    ours, hosts = SAME[name]
    await stored.host(hosts)
    assert await stored.write(ours) == 0
    assert await stored.ids() == [hosts.event_id]


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("order", [1, -1])
async def test_another_happening_is_another_row(name: str, order: int, stored: Feed) -> None:
    one, other = OTHER[name][::order]
    if "_" in one.event_id and "_" in other.event_id:
        assert await stored.write(one) == 1
        assert await stored.write(other) == 1
    else:
        await stored.host(OTHER[name][1])
        assert await stored.write(OTHER[name][0]) == 1
    assert len(await stored.ids()) == 2


async def test_closed_reopened_and_closed_within_a_minute_are_two_closings(stored: Feed) -> None:
    """Each stored row stands for one of those that come: the nearest."""
    await stored.host(closing("events", "1", seconds(25)))
    threads = [
        closing("threads", "50_closed_0", AT),
        closing("threads", "50_reopened_10", seconds(10), "reopened"),
        closing("threads", "50_closed_20", seconds(20)),
    ]
    assert await stored.write(*threads) == 2
    assert await stored.ids() == [
        "PullRequestEvent_1",
        "PullRequestEvent_50_closed_0",
        "PullRequestEvent_50_reopened_10",
    ]
    assert await stored.write(*threads) == 0
    told = [closing("events", "2", seconds(3)), closing("events", "3", seconds(12), "reopened")]
    assert await stored.write(*told) == 0


async def test_a_second_nearest_is_taken_where_the_nearest_is(stored: Feed) -> None:
    await stored.host(closing("events", "1", seconds(10)), closing("events", "2", seconds(20)))
    come = [closing("threads", "50_closed_11", seconds(11)), closing("threads", "50_closed_12", seconds(12))]
    assert await stored.write(*come) == 0


async def test_stars_taken_back_and_given_again_are_two(stored: Feed) -> None:
    assert await stored.write(event("stargazers", "WatchEvent_77_1_30", "mona", seconds(30))) == 1
    told = [event("events", "WatchEvent_1", "mona", seconds(2)), event("events", "WatchEvent_2", "mona", seconds(33))]
    assert await stored.write(*told) == 1
    assert await stored.ids() == ["WatchEvent_1", "WatchEvent_77_1_30"]
    assert await stored.write(*told) == 0


async def test_one_batch_may_say_a_thing_twice(stored: Feed) -> None:
    assert await stored.write(WIKI, WIKI) == 1
    assert await stored.write(WIKI, COMMENT, COMMENT) == 1


async def test_nothing_that_is_stored_changes(stored: Feed) -> None:
    rows = [WATCH, FORK, RELEASE, CREATE, WIKI, COMMENT]
    await stored.write(*rows)
    before = await stored.rows("select *, xmin::text, ctid::text from github_events_cache order by event_id")
    assert await stored.write(*(row._replace(payload=row.payload | {"more": 1}) for row in rows)) == 0
    after = await stored.rows("select *, xmin::text, ctid::text from github_events_cache order by event_id")
    assert after == before
    assert {(row["processed"], row["is_privileged"]) for row in after} == {(False, False)}


async def test_another_repository_of_the_same_happenings(stored: Feed) -> None:
    other = REPOSITORY.model_copy(update={"full_name": "octo/other"})
    assert await stored.write(WATCH) == 1
    assert await stored.write(WATCH._replace(event_id="WatchEvent_78_1"), repository=other) == 1


async def test_the_purge_takes_nothing_that_was_asked_for(stored: Feed) -> None:
    await stored.host(event("events", "WatchEvent_1", "mona", seconds(2)), processed=True)
    await stored.host(event("events", "WatchEvent_2", "mona", seconds(-999_999)), processed=True)
    await stored.write(WATCH, FORK)
    async with stored.database.transaction() as connection:
        await pages.write(connection, REPOSITORY, Page(AT, threads_told=True), since=AT)
    async with connected(stored.dsn) as connection:
        await connection.execute(
            "delete from github_events_cache where processed and created_at < $1", AT + timedelta(days=90)
        )
    assert await stored.ids() == ["ForkEvent_fork_9", "WatchEvent_1"], "what is older was not asked for"


async def test_days_of_stars_are_corrected(stored: Feed) -> None:
    day = AT.date()

    async def write(*stars: int) -> list[tuple[int, str]]:
        days = [StarDay(day + timedelta(days=place), number) for place, number in enumerate(stars)]
        async with stored.database.transaction() as connection:
            await pages.write(connection, REPOSITORY, Page(AT, star_days=days))
        found = await stored.rows("select stars, xmin::text from repository_star_history order by day")
        return [tuple(row) for row in found]

    first = await write(3, 0)
    second = await write(3, 2, 1)
    assert [stars for stars, _ in second] == [3, 2, 1]
    assert second[0] == first[0], "what is right is not touched"


# --- commits along pushes


async def test_a_chain_of_pushes_leads_to_what_none_of_them_brought(stored: Feed) -> None:
    await stored.write(
        push("activity", "1", "d", seconds(3), before="c"),
        push("activity", "2", "c", seconds(2), before="b"),
        push("activity", "3", "x", seconds(1), before="y", ref="topic"),
        push("activity", "4", "b", seconds(0), before="0" * 40),
    )

    async def ends(*oids: str) -> list[str]:
        async with stored.database.transaction() as connection:
            return await feed.unexplained(connection, REPOSITORY, "refs/heads/main", oids)

    assert await ends("d") == ["b"], "what created the branch says nothing of what was before"
    assert await ends("x") == ["x"]
    await stored.write(push("history", "0", "y", seconds(0), before="0" * 40, ref="topic"))
    async with stored.database.transaction() as connection:
        assert not await feed.unexplained(connection, REPOSITORY, "refs/heads/topic", ["x"]), "down to the first commit"
    await stored.write(
        push("activity", "5", "c", seconds(5), before="q"), push("activity", "6", "q", seconds(4), before="c")
    )
    assert await ends("d", "z") == ["b", "z"], "a branch that was forced back and forth"
    async with stored.database.transaction() as connection:
        found = await feed.pushed(connection, REPOSITORY, "refs/heads/main", ["c", "b", "z"])
    assert sorted(found) == [("b", "0" * 40), ("c", "b"), ("c", "q")]


async def test_following_a_long_chain_does_not_read_all_of_it_for_each_push(stored: Feed) -> None:
    pushes = [push("activity", str(n), f"c{n}", seconds(n), before=f"c{n - 1}") for n in range(1, 3_001)]
    for start in range(0, len(pushes), 500):
        await stored.write(*pushes[start : start + 500])
    async with stored.database.transaction() as connection:
        assert await feed.unexplained(connection, REPOSITORY, "refs/heads/main", ["c3000"]) == ["c0"]
        read = await connection.fetchval(
            "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_xact_user_tables"
        )
    # A few rows for each push, or a few dozen by another plan of Postgres': far from all of them.
    assert read < len(pushes) * len(pushes) / 10


# --- partitions


async def partitions(stored: Feed) -> list[str]:
    found = await stored.rows(
        "select inhrelid::regclass::text as name from pg_inherits"
        " where inhparent = 'github_events_cache'::regclass order by 1"
    )
    return [row["name"] for row in found]


async def test_a_month_has_its_partition_before_its_rows(stored: Feed) -> None:
    await stored.write(WATCH, FORK._replace(created_at=datetime(2019, 1, 31, 23, 59, 59, tzinfo=UTC)))
    assert await partitions(stored) == ["github_events_cache_2019_01", "github_events_cache_2026_03"]
    lines: list[str] = []
    await migrate(stored.dsn, report=lines.append)
    assert lines == ["nothing to do"], "its indexes came with it"


async def test_partitions_of_other_names_and_bounds(stored: Feed) -> None:
    async with connected(stored.dsn) as connection:
        await connection.execute(
            """
            create table quarter partition of github_events_cache for values from ('2026-01-01') to ('2026-04-01');
            create table past partition of github_events_cache for values from (minvalue) to ('2015-05-10 00:00+00');
            create table github_events_cache_2026_05 (n int);
            """
        )
    may_2015 = WATCH._replace(created_at=datetime(2015, 5, 20, tzinfo=UTC), event_id="WatchEvent_b")
    may_2026 = WATCH._replace(created_at=datetime(2026, 5, 20, tzinfo=UTC), event_id="WatchEvent_a")
    early = WATCH._replace(created_at=datetime(2014, 5, 20, tzinfo=UTC), event_id="WatchEvent_c")
    assert await stored.write(WATCH, may_2015, may_2026, early) == 4
    assert await partitions(stored) == [
        "github_events_cache_2015_05",
        "github_events_cache_2026_05_1",
        "past",
        "quarter",
    ]


async def test_a_default_partition_takes_every_month(stored: Feed) -> None:
    async with connected(stored.dsn) as connection:
        await connection.execute("create table rest partition of github_events_cache default")
    assert await stored.write(WATCH) == 1
    assert await partitions(stored) == ["rest"]


async def test_two_make_one_partition(stored: Feed) -> None:
    async with Database(stored.dsn, size=2) as other:
        await asyncio.gather(*(feed.ensure_months(each, [WATCH]) for each in (stored.database, other)))
    assert await partitions(stored) == ["github_events_cache_2026_03"]


async def test_a_partition_that_was_dropped_meanwhile_comes_back(stored: Feed) -> None:
    await stored.write(WATCH)
    async with connected(stored.dsn) as connection:
        await connection.execute("drop table github_events_cache_2026_03")
    with pytest.raises(Exception, match="no_partition"):
        await stored.write(FORK)
    assert await stored.write(FORK) == 1


async def test_readers_and_writers_do_not_wait_for_a_partition(stored: Feed) -> None:
    await stored.write(WATCH)
    async with connected(stored.dsn) as busy:
        transaction = busy.transaction()
        await transaction.start()
        await busy.execute("update github_events_cache set is_privileged = false")
        later = WATCH._replace(created_at=AT + timedelta(days=60), event_id="WatchEvent_z")
        await asyncio.wait_for(feed.ensure_months(stored.database, [later]), PATIENCE)
        await transaction.rollback()


async def test_a_new_partition_is_hidden_from_the_public_api(stored: Feed) -> None:
    async with connected(stored.dsn) as connection:
        await connection.execute(
            """
            do $$ begin create role anon; exception when duplicate_object then null; end $$;
            alter default privileges grant select on tables to anon;
            """
        )
        await stored.write(WATCH)
        assert not await connection.fetchval(
            "select has_table_privilege('anon', 'github_events_cache_2026_03', 'select')"
        )


async def test_who_may_not_make_a_partition_is_told_what_to_grant(stored: Feed) -> None:
    async with connected(stored.dsn) as connection:
        await connection.execute(
            """
            do $$ begin create role writer login password 'writer'; exception when duplicate_object then null; end $$;
            grant usage on schema public to writer;
            grant all on all tables in schema public to writer;
            """
        )
    place = stored.dsn.split("@")[1]
    async with Database(f"postgresql://writer:writer@{place}", size=1) as weak:
        with pytest.raises(PartOver, match="no partition for 2026-03, and this role may not make one") as refusal:
            await feed.ensure_months(weak, [WATCH])
    assert "own github_events_cache" in refusal.value.action


# --- renames


async def rename(stored: Feed, repository_id: str, github_id: int, full_name: str) -> None:
    async with stored.database.transaction() as connection:
        await repositories.update(
            connection,
            repository_id,
            github_id=github_id,
            full_name=full_name,
            is_private=False,
            is_archived=False,
            has_issues=True,
            has_discussions=False,
        )


async def test_a_renamed_repository_takes_its_events_along(stored: Feed) -> None:
    await stored.write(WATCH, FORK)
    await rename(stored, REPOSITORY_ID, 77, "hub/world")
    names = await stored.rows("select distinct repository_owner, repository_name from github_events_cache")
    assert [tuple(row) for row in names] == [("hub", "world")]
    assert await stored.write(WATCH, repository=REPOSITORY.model_copy(update={"full_name": "hub/world"})) == 0


async def test_a_name_that_passed_on_does_not_pass_its_events(stored: Feed) -> None:
    other = "00000000-0000-4000-8000-0000000000f2"
    await stored.write(WATCH)
    async with stored.database.transaction() as connection:
        await connection.execute(
            "insert into repositories (id, github_id, owner, name, full_name)"
            " values ($1, 78, 'octo', 'new', 'octo/new')",
            other,
        )
    await rename(stored, other, 78, "octo/hello")
    assert not await stored.rows("select from github_events_cache where repository_name = 'hello'")
    await rename(stored, REPOSITORY_ID, 77, "octo/old")
    [row] = await stored.rows("select repository_owner, repository_name from github_events_cache")
    assert tuple(row) == ("octo", "old")


# --- what threads tell

THREADS = """
insert into contributors (github_id, username) values (1, 'mona'), (2, 'dependabot[bot]');
insert into pull_requests (
  github_id, repository_id, repository_full_name, number, title, state, head_branch, author_id, author_login, merged,
  merged_by_id, created_at, updated_at, closed_at, merged_at)
select 100 + n, '{repository}', 'octo/hello', n, 'Title ' || n, 'merged', 'topic', a.id, a.username, n > 1, a.id,
  '2026-03-01T10:00:00Z', '2026-03-02T10:00:00Z', '2026-03-02T10:00:00Z',
  case when n > 1 then '2026-03-02T10:00:00Z'::timestamptz end
from generate_series(1, 3) n, contributors a where a.github_id = 1;
insert into issues (github_id, repository_id, number, title, state, author_id, created_at, updated_at)
select 204, '{repository}', 4, 'Broken', 'open', null, '2025-01-01T10:00:00Z', '2026-03-02T10:00:00Z';
insert into issue_events (node_id, pull_request_id, repository_id, event_type, actor_login, created_at)
select e.node_id, p.id, p.repository_id, e.event_type, e.actor, e.at from pull_requests p join (values
  ('a', 1, 'closed', 'lisa', '2026-03-01T11:00:00Z'::timestamptz), ('b', 1, 'reopened', null, '2026-03-01T11:00:20Z'),
  ('c', 1, 'closed', 'lisa', '2026-03-02T10:00:00Z'),
  ('d', 2, 'closed', 'lisa', '2026-03-01T12:00:00Z'), ('e', 2, 'reopened', 'lisa', '2026-03-01T13:00:00Z'),
  ('f', 2, 'closed', 'mona', '2026-03-02T10:00:00Z'), ('g', 2, 'merged', 'mona', '2026-03-02T10:00:00Z')
) e(node_id, number, event_type, actor, at) using (number);
insert into issue_events (node_id, issue_id, repository_id, event_type, actor_login, created_at)
select 'h', id, repository_id, 'closed', 'dependabot[bot]', '2026-03-01T10:00:00Z' from issues;
"""


async def derived(stored: Feed, table: str, limit: int = 100) -> list[FeedEvent]:
    rows: list[FeedEvent] = []
    after: int | None = 0
    async with stored.database.transaction() as connection:
        while after is not None:
            some, after = await thread_events.of_threads(
                connection, table, REPOSITORY_ID, datetime(2026, 1, 1, tzinfo=UTC), after, limit
            )
            rows += some
    return rows


async def test_threads_tell_when_they_were_opened_closed_and_reopened(stored: Feed) -> None:
    async with connected(stored.dsn) as connection:
        await connection.execute(THREADS.format(repository=REPOSITORY_ID))
    for limit in (1, 2, 100):
        pulls = await derived(stored, "pull_requests", limit)
        told = [
            (row.payload["number"], row.payload["action"], row.actor_login, row.payload["pull_request"]["merged"])
            for row in pulls
        ]
        assert told == [
            (1, "opened", "mona", False),
            (1, "closed", "lisa", False),
            (1, "reopened", "ghost", False),
            (1, "closed", "lisa", False),
            (2, "opened", "mona", False),
            (2, "closed", "lisa", False),
            (2, "reopened", "lisa", False),
            (2, "closed", "mona", True),
            (3, "opened", "mona", False),
            (3, "closed", "mona", True),  # its timeline was never read
        ]
    assert json.loads(json.dumps(pulls[0].payload)) == {
        "action": "opened",
        "number": 1,
        "pull_request": {
            "id": 101,
            "number": 1,
            "title": "Title 1",
            "user": {"login": "mona", "id": 1},
            "state": "open",
            "merged": False,
            "created_at": "2026-03-01T10:00:00Z",
            "updated_at": "2026-03-01T10:00:00Z",
        },
    }
    assert pulls[0].event_id == "PullRequestEvent_101_opened_1772359200"
    [closed] = await derived(stored, "issues")
    assert (closed.actor_login, closed.payload["issue"]["user"]) == ("dependabot[bot]", {"login": "ghost", "id": 10137})
    assert await stored.write(*pulls, closed) == len(pulls) + 1
    assert await stored.write(*pulls, closed) == 0


async def test_what_github_left_out_of_an_event_comes_from_its_thread(stored: Feed) -> None:
    async with connected(stored.dsn) as connection:
        await connection.execute(THREADS.format(repository=REPOSITORY_ID))
    trimmed = {"action": "closed", "number": 2, "pull_request": {"id": 102, "number": 2, "head": {"ref": "x"}}}
    label = {"action": "labeled", "issue": {"id": 204, "number": 4, "title": "As it was"}}
    at = datetime(2026, 3, 2, 10, 0, 4, tzinfo=UTC)
    await stored.write(event("events", "PullRequestEvent_1", "mona", at, trimmed))
    await stored.write(event("events", "IssuesEvent_2", "mona", at, label))
    for _ in range(2):
        async with stored.database.transaction() as connection:
            await feed.complete(connection, REPOSITORY, AT)
    rows = await stored.rows("select event_id, payload, xmin::text from github_events_cache order by event_type")
    assert rows[0]["payload"] == label
    assert rows[1]["payload"]["pull_request"] == {
        "id": 102,
        "number": 2,
        "title": "Title 2",
        "user": {"login": "mona", "id": 1},
        "state": "closed",
        "merged": True,
        "head": {"ref": "x"},
        "created_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-02T10:00:04Z",
    }


def test_examples_are_of_every_source() -> None:
    told: Sequence[FeedEvent] = [row for pair in (*SAME.values(), *OTHER.values()) for row in pair]
    assert {row.source for row in told} >= {
        "events",
        "stargazers",
        "forks",
        "releases",
        "activity",
        "history",
        "threads",
    }
