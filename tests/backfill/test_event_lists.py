"""What GitHub does to the lists of a repository's events, one sweep after the other, in this process.

Nothing of it fails the type: what is refused, hidden or never served is noted, what has another way is read by it, and
no list goes on for ever.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from activities.events import inheritance
from activities.progress import MOST_IDLE
from messages import SliceResult
from sandbox.github.exchange.requests import Entry, Reply, Request
from sandbox.github.faults import (
    Babble,
    BadGateway,
    Blank,
    BlankList,
    BrokenField,
    CircularLinks,
    Edited,
    Effect,
    EndlessPages,
    Forbidden,
    GoneCommits,
    Refused,
    ServerError,
    Touch,
)
from sandbox.github.generation import Plan
from sandbox.github.graphql.execution import Broken
from tests.support.backfill.reading import TOKEN, TOKENS, Read, Reading
from tests.support.truth import check_feed

FEW = Plan(
    "acme/rocket",
    pull_requests=1,
    issues=1,
    reviews=0,
    review_comments=0,
    comments=0,
    events=1,
    people=10,
    stars=20,
    forks=20,
    releases=5,
    pushes=10,
    years=0.3,
)
PAGES = replace(FEW, stars=105, forks=105)
"""Stars and forks that do not fit into one page."""
LONG = replace(FEW, stars=320, forks=320, pushes=2)
"""Stars and forks on four pages."""
PUSHED = replace(FEW, stars=2, forks=2, pushes=130)
"""Pushes that do not fit into one page."""
OLD = replace(FEW, stars=2, forks=2, pushes=30, years=3)
"""Most pushes are older than a year: only the commits tell of them."""
ATTEMPTS = 40


@dataclass
class Feed:
    """The events of one repository, which one job after the other sweeps."""

    reading: Reading

    async def completed(self, *, days: int = 10_000, tokens: tuple[str, ...] = (TOKEN,)) -> SliceResult:
        result = await self.reading.sweep("events", days=days, tokens=tokens, attempts=ATTEMPTS)
        assert result.outcome == "completed", result.failure
        return result

    def fails(self, effect: Effect, *, times: int | None = None, **how: Any) -> None:
        self.reading.github.faults.add(effect, times=times, **how)

    def recovers(self) -> None:
        self.reading.github.faults.clear()

    async def agrees(self) -> None:
        # Days of stars stay when people are shown after all.
        await self.reading.rows("delete from repository_star_history")
        await check_feed(self.reading.dsn, self.reading.repository, data_types=["events"])

    async def notes(self) -> dict[str, tuple[str, int]]:
        """What -> kind and count."""
        rows = await self.reading.rows("select what, kind, count from backfill_notes order by what")
        return {row["what"]: (row["kind"], row["count"]) for row in rows}

    async def proof(self) -> dict[str, Any]:
        """Of the latest sweep."""
        [row] = await self.reading.rows("select proof from backfill_sweeps order by completed_at desc limit 1")
        proof: dict[str, Any] = row["proof"]
        return proof

    async def stored(self) -> Counter[str]:
        """Rows of the feed by their type."""
        rows = await self.reading.rows("select event_type, count(*)::int as number from github_events_cache group by 1")
        return Counter({row["event_type"]: row["number"] for row in rows})

    @property
    def log(self) -> list[Entry]:
        return self.reading.github.log

    def asked(self, what: str) -> list[Entry]:
        """Requests of an operation, or of a REST route."""
        return [
            entry for entry in self.log if entry.operation == what or entry.path.partition("?")[0].endswith(f"/{what}")
        ]


MakeFeed = Callable[..., Feed]


@pytest.fixture
def make_feed(read: Read) -> MakeFeed:
    return lambda plan=FEW: Feed(read(plan))


# --- Lists that do not end


@pytest.mark.parametrize(("connection", "cursor"), [("stargazers", "null"), ("forks", "alternating")])
async def test_a_list_whose_cursors_lead_nowhere_is_left_for_its_other_way(
    connection: str, cursor: Any, make_feed: MakeFeed
) -> None:
    feed = make_feed(PAGES)
    operation = connection.capitalize()
    feed.fails(EndlessPages(f"Repository.{connection}", cursor), operation=operation)
    await feed.completed()
    assert MOST_IDLE <= len(feed.asked(operation)) <= MOST_IDLE + 4
    [fell_back] = (await feed.proof())["fell_back"]
    assert fell_back.startswith(connection)
    if connection == "stargazers":
        assert await feed.notes() == {"stargazers": ("unavailable", 1)}
        assert feed.asked("history"), "stars are counted by day"
    else:
        assert await feed.notes() == {}
        await feed.agrees()


@pytest.mark.parametrize(
    ("route", "to", "plan"),
    [
        ("releases", "itself", FEW),
        ("activity", "itself", PUSHED),
        ("activity", "first", FEW),  # this link has no cursor at all
        ("stargazers/history", "first", FEW),
    ],
)
async def test_a_rest_list_with_a_next_page_for_ever_ends(route: str, to: Any, plan: Plan, make_feed: MakeFeed) -> None:
    feed = make_feed(plan)
    if route == "stargazers/history":
        feed.reading.repository.stargazers_refusal = "forbidden"
    feed.fails(CircularLinks(to), path=f"*/{route}?*")
    await feed.completed()
    assert len(feed.asked(route)) <= MOST_IDLE + 8
    noted = await feed.notes()
    if route == "releases":
        assert noted == {}, "GraphQL has them"
        await feed.agrees()
    else:
        what = {"stargazers/history": "star_history"}.get(route, route)
        assert noted[what] == ("unavailable", 1)
    if route == "activity":
        assert any(line.startswith("activity") for line in (await feed.proof())["fell_back"])


async def test_commits_that_github_never_has_end_the_history(make_feed: MakeFeed) -> None:
    feed = make_feed(OLD)
    feed.fails(GoneCommits(), operation="CommitHistory")
    await feed.completed()
    assert len(feed.asked("CommitHistory")) <= MOST_IDLE + 1
    assert await feed.notes() == {"history": ("unavailable", 1)}


async def test_a_commit_that_is_gone_again_and_again_is_asked_for_once(make_feed: MakeFeed) -> None:
    """The first one of the second page: from the head again the branch leads to it each time."""
    feed = make_feed(replace(OLD, pushes=220))
    asked: list[str] = []

    def second(request: Request) -> bool:
        oid = str(request.variables["oid"])
        if oid not in asked:
            asked.append(oid)
        return asked.index(oid) == 1

    feed.fails(GoneCommits(), operation="CommitHistory", when=second)
    await feed.completed()
    oids = Counter(str(entry.variables["oid"]) for entry in feed.asked("CommitHistory"))
    assert len(asked) >= 2
    assert oids[asked[1]] == 1
    assert oids.total() < 10


async def test_a_history_that_shows_other_commits_than_were_asked_for_ends(make_feed: MakeFeed) -> None:
    feed = make_feed(OLD)

    def another(content: Any) -> None:
        found = content["data"]["repository"]["object"]
        found["history"]["nodes"] = found["history"]["nodes"][1:]
        found["inScope"]["totalCount"] = 7

    feed.fails(Edited(another), operation="CommitHistory")
    await feed.completed()
    assert len(feed.asked("CommitHistory")) <= MOST_IDLE + 2
    assert await feed.notes() == {"history": ("unavailable", 1)}


async def test_a_cursor_that_is_refused_for_ever_is_no_reason_to_ask_for_ever(make_feed: MakeFeed) -> None:
    feed = make_feed(PAGES)

    def refuse(content: Any) -> None:
        if (content["data"] or {}).get("repository"):
            info = content["data"]["repository"]["forks"]["pageInfo"]
            feed.reading.github.faults.refuse_cursor(info["endCursor"])

    feed.fails(Edited(refuse), operation="Forks")
    await feed.completed()
    assert len(feed.asked("Forks")) <= 20
    assert await feed.notes() == {}
    await feed.agrees()


# --- Lists that always fail

FAILING: dict[str, tuple[Effect, dict[str, Any], dict[str, tuple[str, int]]]] = {
    "forks, 502": (BadGateway(), {"operation": "Forks"}, {}),
    "releases, 422": (ServerError(422), {"path": "*/releases?*"}, {}),
    "activity, 500": (ServerError(), {"path": "*/activity?*"}, {"activity": ("unavailable", 1)}),
    "commits, 502": (BadGateway(), {"operation": "CommitHistory"}, {"history": ("unavailable", 1)}),
}


@pytest.mark.parametrize("name", FAILING)
async def test_a_list_that_always_fails_is_left_for_its_other_way_or_noted(name: str, make_feed: MakeFeed) -> None:
    feed = make_feed(OLD if name.startswith("commits") else FEW)
    effect, how, noted = FAILING[name]
    feed.fails(effect, **how)
    await feed.completed()
    assert await feed.notes() == noted
    assert len(feed.log) < 60
    fell_back = (await feed.proof()).get("fell_back", [])
    assert bool(fell_back) == (not name.startswith("commits")), "what has another way says so"
    if name.startswith("forks"):
        await feed.agrees()
    # The next sweep looks again, with one request for what was noted or is told less of by the other way.
    failed = sum(entry.status != 200 for entry in feed.log)
    await feed.completed()
    looked_again = sum(entry.status != 200 for entry in feed.log) - failed
    assert looked_again == (0 if name.startswith("forks") else 1)
    assert await feed.notes() == noted
    feed.recovers()
    await feed.completed()
    assert await feed.notes() == {}
    if name.startswith("releases"):
        assert "fell_back" not in await feed.proof(), "the first way is taken again"
    elif not name.startswith("activity"):
        # What commits told stays: they do not say who pushed them.
        await feed.agrees()


@dataclass
class LosesOne(Effect):
    """One thing is null in every page that it is on, of any size."""

    lost: Any

    def spoil(self, request: Request, thing: Any, place: int, size: int) -> Exception | None:  # noqa: ARG002
        return Broken() if thing is self.lost else None


@pytest.mark.parametrize(("what", "kind"), [("stargazers", "WatchEvent"), ("forks", "ForkEvent")])
async def test_what_cannot_be_served_even_alone_is_passed_over_and_noted(
    what: str, kind: str, make_feed: MakeFeed
) -> None:
    feed = make_feed()
    repository = feed.reading.repository
    lost: Any = list(repository.stars.values())[10] if what == "stargazers" else repository.shown_forks()[10]
    feed.fails(LosesOne(lost), operation=what.capitalize())
    await feed.completed()
    assert await feed.notes() == {what: ("unavailable", 1)}
    assert (await feed.stored())[kind] >= 19
    assert not feed.asked("forks"), "what is passed over is no reason to read all forks by REST"
    feed.recovers()
    await feed.completed()
    assert await feed.notes() == {}
    await feed.agrees()


@pytest.mark.parametrize("soon", [True, False], ids=["soon", "later"])
async def test_a_history_without_a_known_head_is_noted_and_the_type_completes(
    soon: bool, make_feed: MakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forks are refused, and nothing else tells where the default branch is. The next sweep asks for it."""
    if soon:
        moments_later(monkeypatch)
    feed = make_feed(OLD)
    feed.fails(Refused("Repository", "forks"), operation="Forks")
    feed.fails(BrokenField("Repository.defaultBranchRef"), operation="Head")
    await feed.completed()
    assert await feed.notes() == {"history": ("unavailable", 1)}
    assert len(feed.log) < 60
    feed.recovers()
    await feed.completed()
    assert await feed.notes() == {}
    await feed.agrees()


async def test_a_blank_page_below_what_an_earlier_sweep_read_is_not_believed_at_once(make_feed: MakeFeed) -> None:
    feed = make_feed(PAGES)
    await feed.completed(days=40)

    def end(content: Any) -> None:
        page = content["data"]["repository"]["stargazers"]
        page["edges"], page["pageInfo"] = [], page["pageInfo"] | {"hasNextPage": False, "endCursor": None}

    feed.fails(Edited(end), times=1, operation="Stargazers", when=lambda entry: entry.variables["after"] is not None)
    await feed.completed()
    await feed.agrees()


# --- Lists that are refused, and things that are hidden


async def test_releases_that_rest_refuses_are_read_by_graphql(make_feed: MakeFeed) -> None:
    feed = make_feed()
    feed.fails(Forbidden(), path="*/releases?*")
    await feed.completed()
    assert await feed.notes() == {}
    assert feed.asked("Releases")
    assert (await feed.stored())["ReleaseEvent"] == 5
    assert [line.partition(":")[0] for line in (await feed.proof())["fell_back"]] == ["releases"]


async def test_what_is_refused_for_good_is_noted_and_the_type_completes(make_feed: MakeFeed) -> None:
    feed = make_feed()
    for route in ("activity", "events"):
        feed.fails(Forbidden(), path=f"*/{route}?*")
    result = await feed.completed()
    assert await feed.notes() == {"activity": ("refused", 1), "events": ("refused", 1)}
    assert result.noted == {"refused": {"activity": 1, "events": 1}}
    assert feed.asked("CommitHistory"), "commits tell of the pushes"


async def test_with_every_list_refused_the_type_completes_with_notes(make_feed: MakeFeed) -> None:
    feed = make_feed()
    feed.reading.repository.stargazers_refusal = "forbidden"
    for operation in ("Forks", "Releases"):
        feed.fails(Refused("Repository", operation.lower()), operation=operation)
    for route in ("forks", "releases", "activity", "events", "stargazers/history"):
        feed.fails(Forbidden(), path=f"*/{route}?*")
    await feed.completed()
    lists = {"stargazers", "star_history", "forks", "releases", "activity", "events"}
    assert await feed.notes() == dict.fromkeys(lists, ("refused", 1))


async def test_stargazers_that_are_hidden_are_noted_with_their_number_until_they_are_shown(make_feed: MakeFeed) -> None:
    feed = make_feed()
    feed.reading.repository.stargazers_refusal = "empty"
    await feed.completed()
    assert await feed.notes() == {"stargazers": ("hidden", 20)}
    assert len(feed.asked("Stargazers")) == 2, "a blank answer is not believed at once"
    await feed.completed()
    assert len(feed.asked("Stargazers")) == 3
    feed.reading.repository.stargazers_refusal = None
    await feed.completed()
    assert await feed.notes() == {}
    await feed.agrees()


async def test_forks_that_are_hidden_are_noted_until_they_are_shown(make_feed: MakeFeed) -> None:
    feed = make_feed()
    hidden = feed.reading.repository.shown_forks()[7]
    feed.fails(Refused("Repository", "owner", when=lambda fork, _: fork is hidden), operation="Forks")
    await feed.completed()
    assert await feed.notes() == {"forks": ("hidden", 1)}
    await feed.completed()
    assert len(feed.asked("Forks")) == 2
    assert await feed.notes() == {"forks": ("hidden", 1)}
    feed.recovers()
    await feed.completed()
    assert await feed.notes() == {}
    await feed.agrees()


async def test_forks_that_are_counted_and_never_shown_are_noted(make_feed: MakeFeed) -> None:
    feed = make_feed(PAGES)

    def count_more(content: Any) -> None:
        content["data"]["repository"]["forks"]["totalCount"] += 2

    feed.fails(Edited(count_more), operation="Forks")
    await feed.completed()
    assert await feed.notes() == {"forks": ("hidden", 2)}
    await feed.agrees()
    await feed.completed()
    assert await feed.notes() == {"forks": ("hidden", 2)}, "what a sweep did not look at is still missing"


# --- What GitHub did not show is read by the next sweep, however soon and however long the list


@pytest.fixture(params=[True, False], ids=["read whole again", "by pages"])
def is_short(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a list that was not shown whole is short enough to be read whole again."""
    if not request.param:
        monkeypatch.setattr(inheritance, "SHORT", 100)
    return bool(request.param)


def moments_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes each sweep follow the one before within the hour. The stand-in's clock is weeks behind this machine's."""
    monkeypatch.setattr(inheritance, "FRESH", timedelta(days=10_000))


@pytest.mark.parametrize("soon", [True, False], ids=["soon", "later"])
@pytest.mark.parametrize("connection", ["stargazers", "forks"])
async def test_a_tenth_that_is_hidden_all_over_a_long_list_is_stored_once_it_is_shown(
    connection: str, soon: bool, is_short: bool, make_feed: MakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    if soon:
        moments_later(monkeypatch)
    feed = make_feed(LONG)

    operation = connection.capitalize()
    if connection == "stargazers":
        feed.fails(
            Refused("StargazerEdge", "node", when=lambda _, user: user.database_id % 10 == 0), operation=operation
        )
    else:
        feed.fails(Refused("Repository", "owner", when=lambda fork, _: fork.database_id % 10 == 0), operation=operation)
    await feed.completed()
    assert await feed.notes() == {connection: ("hidden", 32)}
    asked = len(feed.asked(operation))
    feed.recovers()
    repository = feed.reading.repository
    repository.star(repository.world.account("late"))
    await feed.completed()
    assert await feed.notes() == {}
    await feed.agrees()
    # The four pages; where a star has come since, one more to reach what it moved.
    assert len(feed.asked(operation)) - asked <= (4 if is_short else 5)


@pytest.mark.parametrize("soon", [True, False], ids=["soon", "later"])
@pytest.mark.parametrize("blank", [True, False], ids=["blank", "full"])
@pytest.mark.parametrize("connection", ["stargazers", "forks"])
async def test_a_list_that_ended_too_early_is_read_on_by_the_next_sweep(
    connection: str, blank: bool, soon: bool, is_short: bool, make_feed: MakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    if soon:
        moments_later(monkeypatch)
    feed = make_feed(LONG)

    def end(content: Any) -> None:
        page = content["data"]["repository"][connection]
        if blank:
            page["edges" if connection == "stargazers" else "nodes"] = []
            page["pageInfo"]["endCursor"] = None
        page["pageInfo"]["hasNextPage"] = False

    def is_second(entry: Request) -> bool:
        return entry.variables.get("after") is not None

    operation = connection.capitalize()
    feed.fails(Edited(end), operation=operation, when=is_second)
    await feed.completed()
    [(kind, missing)] = (await feed.notes()).values()
    assert (kind, missing) == ("hidden", 220 if blank else 120)
    asked = len(feed.asked(operation))
    feed.recovers()
    await feed.completed()
    assert await feed.notes() == {}
    await feed.agrees()
    assert len(feed.asked(operation)) - asked <= (4 if is_short else 3 + (not soon))


@pytest.mark.parametrize("soon", [True, False], ids=["soon", "later"])
async def test_what_is_never_shown_costs_a_request_in_each_sweep(
    soon: bool, make_feed: MakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    if soon:
        moments_later(monkeypatch)
    monkeypatch.setattr(inheritance, "SHORT", 100)
    feed = make_feed(LONG)
    hidden = feed.reading.repository.shown_forks()[150]
    feed.fails(Refused("Repository", "owner", when=lambda fork, _: fork is hidden), operation="Forks")

    def count_more(content: Any) -> None:
        content["data"]["repository"]["stargazerCount"] += 5

    feed.fails(Edited(count_more), operation="Stargazers")
    for sweep in range(3):
        before = len(feed.asked("Forks")), len(feed.asked("Stargazers"))
        await feed.completed()
        assert await feed.notes() == {"forks": ("hidden", 1), "stargazers": ("hidden", 5)}
        if sweep:
            assert len(feed.asked("Forks")) - before[0] <= 1 + (not soon)
            assert len(feed.asked("Stargazers")) - before[1] <= 1 + (not soon)


# --- Lists that are blank


@pytest.mark.parametrize(("connection", "counts"), [("stargazers", "zero"), ("forks", "kept"), ("forks", "zero")])
async def test_a_list_that_is_blank_once_is_not_believed(connection: str, counts: Any, make_feed: MakeFeed) -> None:
    """In the first sweep, where there is a count, and in a later one."""
    feed = make_feed()
    blank = Blank(f"Repository.{connection}", counts)
    if counts == "kept":
        feed.fails(blank, times=1, operation=connection.capitalize())
    await feed.completed()
    await feed.agrees()
    before = await feed.stored()
    feed.reading.repository.star(feed.reading.repository.world.account("late"))
    feed.fails(blank, times=1, operation=connection.capitalize())
    await feed.completed()
    assert await feed.stored() >= before
    assert await feed.notes() == {}
    await feed.agrees()


@pytest.mark.parametrize(("connection", "counts"), [("stargazers", "zero"), ("forks", "kept")])
async def test_a_list_that_stays_blank_deletes_nothing_and_is_not_covered(
    connection: str, counts: Any, make_feed: MakeFeed
) -> None:
    feed = make_feed()
    await feed.completed(days=50)
    before = await feed.stored()
    feed.fails(Blank(f"Repository.{connection}", counts), operation=connection.capitalize())
    if counts == "zero":

        def count_none(content: Any) -> None:
            content["data"]["repository"]["stargazerCount"] = 0

        if connection == "stargazers":
            feed.fails(Edited(count_none), operation="Stargazers")
    feed.fails(BlankList(), path="*/forks?*")
    await feed.completed(days=3_650)
    assert await feed.stored() >= before
    feed.recovers()
    # Everything is read again, down to the cutoff: nothing was taken for read.
    await feed.completed(days=3_650)
    assert await feed.notes() == {}
    await feed.agrees()


@pytest.mark.parametrize("route", ["activity", "events"])
async def test_a_list_of_rests_that_is_blank_once_is_asked_for_again(route: str, make_feed: MakeFeed) -> None:
    feed = make_feed(replace(FEW, years=0.05, comments=3))
    await feed.completed()
    asked = len(feed.asked(route))
    repository = feed.reading.repository
    repository.star(repository.world.account("late"))
    feed.fails(BlankList(), times=1, path=f"*/{route}?*")
    await feed.completed()
    assert len(feed.asked(route)) == asked + 2
    await feed.agrees()
    feed.fails(BlankList(), path=f"*/{route}?*")
    await feed.completed()
    assert len(feed.asked(route)) == asked + 4, "the second answer is believed"
    assert await feed.notes() == {}


# --- What a later sweep reads


async def test_the_events_api_is_read_whole_once_it_is_shown(make_feed: MakeFeed) -> None:
    """It was skipped, so that nothing of its thirty days was read: they are two pages."""
    feed = make_feed(replace(FEW, years=0.08, stars=60, forks=40, pushes=40, comments=10))
    feed.fails(Forbidden(), path="*/events?*")
    await feed.completed()
    asked = len(feed.asked("events"))
    feed.recovers()
    await feed.completed()
    assert len(feed.asked("events")) == asked + 2
    await feed.agrees()


async def test_an_event_without_what_it_is_of_is_passed_over_and_noted(make_feed: MakeFeed) -> None:
    feed = make_feed(replace(FEW, years=0.08))

    def strip(content: Any) -> None:
        for event in content:
            if event["type"] == "ForkEvent":
                event["payload"] = {}

    feed.fails(Edited(strip), path="*/events?*")
    await feed.completed()
    kind, count = (await feed.notes())["events"]
    assert kind == "unavailable"
    assert count > 0
    await feed.agrees()


# --- Three tokens, none of which is shown the stargazers, and one of which was revoked


async def test_accounts_that_are_refused_in_turn_are_asked_a_bounded_number_of_times(make_feed: MakeFeed) -> None:
    feed = make_feed()
    feed.reading.repository.stargazers_refusal = "forbidden"
    revoke = Touch(lambda _: feed.reading.github.refuse_token(TOKENS[2]))
    feed.fails(revoke, times=1, operation="Stargazers")
    await feed.completed(tokens=TOKENS)
    assert len(feed.asked("Stargazers")) <= 2 * len(TOKENS)
    assert await feed.notes() == {"stargazers": ("refused", 1)}


# --- A GitHub that answers anything


async def test_the_events_of_a_github_that_babbles_end(make_feed: MakeFeed) -> None:
    feed = make_feed()
    feed.fails(Babble(2, 0.3))
    result = await feed.reading.sweep("events", attempts=100)
    assert result.outcome == "completed" or (result.failure and result.failure.code in ("gone", "forbidden"))
    assert len(feed.log) < 200
    feed.recovers()
    await feed.completed()


@dataclass
class Spelled(Effect):
    """Puts JSON as it is in place of a text of an answer: what no encoder of ours writes."""

    text: bytes
    by: bytes

    def afterwards(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002 (as every effect)
        if self.text in reply.body:
            reply.body = reply.genuine = reply.body.replace(self.text, self.by)
        return reply


async def test_an_event_with_half_a_character_and_a_number_without_bounds_is_stored(read: Read) -> None:
    feed = Feed(read(FEW))
    feed.reading.repository.add_event("GollumEvent", feed.reading.repository.owner, {"title": "odd"})
    feed.fails(Spelled(b'"odd"', rb'"half \ud83d", "size": 123456789012345678901234567890'), path="*/events?*")
    await feed.completed()
    [row] = await feed.reading.rows("select payload from github_events_cache where event_type = 'GollumEvent'")
    assert row["payload"]["title"] == "half ?"
    assert row["payload"]["size"] == pytest.approx(123456789012345678901234567890)
