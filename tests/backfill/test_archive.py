"""GH Archive, read by a worker from a stand-in's files: what is asked for and no more, once, whatever comes between."""

import json
import signal
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

from cli import program
from github.events.archive import name_of
from messages import RepositoryRef, archive_workflow_id
from rows import FeedEvent, Page
from sandbox.github import StandIn, World
from sandbox.github.faults import BadGateway, Forbidden, Held, Reset, ServerError, Truncated
from sandbox.github.rest import archive
from sandbox.github.world.clock import stamp
from sandbox.github.world.repositories import Repository
from store import archive_reads, feed, pages
from store.database import Database
from tests.support.backfill.whole import Backfill
from tests.support.started import Ended
from tests.support.waiting import PATIENCE, eventually, so

FIRST = datetime(2025, 3, 31, 20, tzinfo=UTC)
HOURS = 8
"""Across the end of a month, of which nothing has a partition."""


def hour(number: int) -> datetime:
    return FIRST + timedelta(hours=number)


def path(number: int) -> str:
    return f"/archive/{name_of(hour(number))}"


@dataclass
class Scene:
    """Two repositories of a workspace and one of somebody else's, in each of which something happens every hour."""

    backfill: Backfill
    github: StandIn
    rocket: Repository
    other: Repository
    elsewhere: Repository
    workspace_id: str = ""
    expected: list[str] = field(default_factory=list)
    """Events of rocket that no other source gives, in the hours that are asked for."""

    async def archive(self, *arguments: str, first: int = 0, hours: int = HOURS, yes: bool = True) -> Ended:
        return await self.backfill.run_starter(
            self.backfill.environment,
            *("archive", "--workspace", self.workspace_id, "--repo", "acme/rocket"),
            *("--since", f"{hour(first):%Y-%m-%dT%H}", "--until", f"{hour(first + hours):%Y-%m-%dT%H}"),
            *(("--yes",) if yes else ()),
            *arguments,
        )

    async def start(self, *arguments: str, first: int = 0, hours: int = HOURS) -> str:
        """Answers the reading's id; the log begins after its estimate."""
        ended = await self.archive(*arguments, first=first, hours=hours)
        assert ended.exit_code == 0, ended.stderr
        return ended.stdout.strip()

    async def ended(self, read_id: str) -> Any:
        async def is_over() -> bool:
            return (await self.row(read_id))["status"] not in ("pending", "in_progress")

        await eventually(is_over)
        return await self.row(read_id)

    async def completed(self, read_id: str) -> Any:
        row = await self.ended(read_id)
        assert (row["status"], row["error"]) == ("completed", None)
        return row

    async def row(self, read_id: str) -> Any:
        [row] = await self.backfill.rows("select * from archive_reads where id = $1", uuid.UUID(read_id))
        return row

    async def status(self, read_id: str) -> tuple[int, dict[str, Any]]:
        ended = await self.backfill.run_starter(self.backfill.environment, "archive-status", read_id, "--json")
        return ended.exit_code, json.loads(ended.stdout)

    async def stored(self) -> list[Any]:
        return await self.backfill.rows("select * from github_events_cache order by event_id")

    async def ids(self) -> list[str]:
        return [row["event_id"] for row in await self.stored()]

    def asked(self, method: str = "GET") -> Counter[str]:
        return Counter(entry.path for entry in self.github.log if entry.method == method)


@pytest.fixture
async def scene(serve: Callable[..., StandIn], backfill: Backfill) -> Scene:
    world = World()
    rocket, other, elsewhere = (
        world.add_repository(name, created_at="2024-01-01T00:00:00Z")
        for name in ("acme/rocket", "acme/other", "octo/elsewhere")
    )
    ann = world.account("ann")
    scene = Scene(backfill, serve(world), rocket, other, elsewhere)
    for number in range(-1, HOURS + 1):
        for place, kind in enumerate(("GollumEvent", "MemberEvent", "CommitCommentEvent")):
            at = stamp(hour(number) + timedelta(minutes=10 * place))
            # The API tells none of it any more.
            event = rocket.add_event(kind, ann, {"action": "added", "number": number}, at, archived=True)
            if 0 <= number < HOURS:
                scene.expected.append(f"{kind} {event.created_at}")
            other.add_event(kind, ann, {"action": "added"}, at, archived=True)
            elsewhere.add_event(kind, ann, {"action": "added"}, at, archived=True)
        rocket.star(world.account(f"gazer-{number + 1}"), stamp(hour(number) + timedelta(minutes=40)))
        rocket.push(ann, at=stamp(hour(number) + timedelta(minutes=50)))
    backfill.at(scene.github)
    backfill.environment["GH_ARCHIVE_URL"] = f"{scene.github.url}/archive"
    scene.workspace_id = await backfill.workspace(rocket, other)
    return scene


def one_line(ended: Ended) -> str:
    [line] = ended.stderr.splitlines()
    return line


# --- Before it runs ---------------------------------------------------------------------------------------------------


async def test_it_is_off_unless_its_address_is_set(scene: Scene) -> None:
    url = scene.backfill.environment.pop("GH_ARCHIVE_URL")
    for yes in (False, True):
        ended = await scene.archive(yes=yes)
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert "GH_ARCHIVE_URL: missing" in one_line(ended)
    # Workers that lack it, where whoever asks has it.
    await scene.backfill.start_worker(scene.backfill.environment)
    scene.backfill.environment["GH_ARCHIVE_URL"] = url
    read_id = await scene.start()
    row = await scene.ended(read_id)
    assert (row["status"], row["error"]["code"]) == ("failed", "no_archive")
    assert "GH_ARCHIVE_URL: missing" in row["error"]["message"]
    assert (await scene.status(read_id))[0] == 1
    assert not scene.asked()
    assert await scene.ids() == []


async def test_the_cost_is_said_and_nothing_read_until_it_is_wanted(scene: Scene) -> None:
    ended = await scene.archive(hours=100, yes=False)
    assert (ended.exit_code, ended.stderr) == (0, "")
    text = " ".join(ended.stdout.split())
    for words in (
        "acme/rocket",
        "100 hours, each a file: 2025-03-31 20:00 to 2025-04-05 00:00 UTC",
        "(an estimate by the sizes of 8 of the files)",
        "at 20 MB/s (assumed, as nothing was read yet)",
        "no GitHub budget is used",
        "run again with --yes",
    ):
        assert words in text, ended.stdout
    sampled = [0, 14, 28, 42, 57, 71, 85, 99]
    said = float(text.split("about ")[1].split(" kB to download")[0])
    assert said == float(f"{sum(sizes(scene, sampled)) / 8 * 100 / 1_000:.3g}")
    heads = scene.asked("HEAD")
    assert heads == Counter(path(number) for number in sampled)
    assert len(scene.github.log) == len(sampled), "and nothing else"
    assert await scene.backfill.rows("select from archive_reads") == []
    ended = await scene.archive(yes=False)
    assert "(an estimate by the sizes of all files)" in ended.stdout


def sizes(scene: Scene, numbers: Iterable[int]) -> list[int]:
    return [len(archive.hour(scene.github.world, name_of(hour(number))) or b"") for number in numbers]


BAD = {
    "--since 2014-12-31 --until 2015-01-02": "--since: must be 2015-01-01 or later",
    "--since 2025-01-02 --until 2025-01-02": "--until: must be a whole hour or more",
    "--since 2025-01-02T03:10 --until 2025-01-02T03:50": "--until: must be a whole hour or more",
    "--since 2025-01-02 --until 2999-01-01": "--until: must not be later than the last full hour",
    "--since yesterday --until 2025-01-02": "--since: must be a date or an hour",
    "--since 20250101 --until 2025-01-02": "--since: must be a date or an hour",
    "--since 2025-02-30 --until 2025-03-02": "--since: must be a date or an hour",
    "--since 2025-01-01": "--until",
    "--since 2025-01-01 --until 2025-01-02 --event-type Star": "Star is none of",
    "--since 2025-01-01 --until 2025-01-02 --repo acme/none": "--repo: acme/none is not a repository of this workspace",
}


async def test_bad_input_is_one_line(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in scene.backfill.environment.items():
        monkeypatch.setenv(name, value)
    for line, named in BAD.items():
        assert await program.run(["archive", "--workspace", scene.workspace_id, *line.split()]) == 2, line
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert named in said.err
    assert not scene.github.log


async def test_an_address_that_has_nothing_is_said_before(scene: Scene) -> None:
    scene.backfill.environment["GH_ARCHIVE_URL"] = f"{scene.github.url}/archive/of/nothing"
    scene.github.world.archive_gaps |= {name_of(hour(number)).removesuffix(".json.gz") for number in range(HOURS)}
    ended = await scene.archive()
    assert ended.exit_code == 2
    assert "none of the 8 hours" in one_line(ended)
    scene.backfill.environment["GH_ARCHIVE_URL"] = "http://127.0.0.1:1"
    ended = await scene.archive()
    assert ended.exit_code == 3
    assert "127.0.0.1:1" in one_line(ended)
    assert await scene.backfill.rows("select from archive_reads") == []


async def test_readings_that_are_not_there(scene: Scene) -> None:
    for reference in ("nothing", scene.workspace_id):
        ended = await scene.backfill.run_starter(scene.backfill.environment, "archive-status", reference)
        assert ended.exit_code == 2
        assert f"READ: there is no reading {reference}" in one_line(ended)


# --- What is read -----------------------------------------------------------------------------------------------------


async def test_what_is_asked_for_is_stored_and_nothing_else_is_asked_for(scene: Scene) -> None:
    scene.github.world.archive_gaps.add(name_of(hour(3)).removesuffix(".json.gz"))
    gap = [f"{each} {stamp(hour(3))[:13]}" for each in ("GollumEvent", "MemberEvent", "CommitCommentEvent")]
    expected = [each for each in scene.expected if not each.startswith(tuple(gap))]
    await scene.backfill.start_worker(scene.backfill.environment)
    ended = await scene.archive()
    assert "assumed, as nothing was read yet" in ended.stderr, "it is said there too"
    row = await scene.completed(read_id := ended.stdout.strip())
    assert scene.asked() == Counter(path(number) for number in range(HOURS))
    assert {entry.kind for entry in scene.github.log if entry.method == "GET"} == {"archive"}, "GitHub was not asked"
    stored = await scene.stored()
    assert {(each["repository_owner"], each["repository_name"]) for each in stored} == {("acme", "rocket")}
    assert {each["source"] for each in stored} == {"archive"}
    assert Counter(each["event_type"] for each in stored) == dict.fromkeys(
        ("GollumEvent", "MemberEvent", "CommitCommentEvent"), HOURS - 1
    )
    moments = sorted(f"{each['event_type']} {each['created_at']:%Y-%m-%dT%H:%M}" for each in stored)
    assert moments == sorted(each[: -len(":00Z")] for each in expected)
    assert {each["actor_login"] for each in stored} == {"ann"}
    assert {each["payload"]["number"] for each in stored} == {*range(HOURS)} - {3}
    assert (row["hours_missing"], row["lines_malformed"], row["events_stored"]) == (1, 0, len(stored))
    assert row["bytes_read"] == sum(sizes(scene, range(HOURS)))
    months = {
        each["month"]
        for each in await scene.backfill.rows(
            "select distinct tableoid::regclass::text as month from github_events_cache"
        )
    }
    assert months == {"github_events_cache_2025_03", "github_events_cache_2025_04"}
    exit_code, view = await scene.status(read_id)
    assert (exit_code, view["status"], view["hours_read"], view["hours_total"]) == (0, "completed", HOURS, HOURS)
    shown = await scene.backfill.run_starter(scene.backfill.environment, "archive-status", read_id)
    assert f"{HOURS} of {HOURS}, 1 of them missing in the archive" in shown.stdout

    # A second time: all is there, and the estimate goes by the first.
    again = await scene.archive()
    assert "as fast as the latest readings" in again.stderr
    row = await scene.completed(again.stdout.strip())
    assert row["events_stored"] == 0
    assert [dict(each) for each in await scene.stored()] == [dict(each) for each in stored]


async def test_what_other_sources_told_is_not_doubled(scene: Scene) -> None:
    """Stars and pushes by name, of which the events API and the lists have stored some."""
    ref = await reference(scene.backfill, scene.rocket)
    stars = [
        star for star in scene.rocket.stars.values() if hour(0) <= datetime.fromisoformat(star.starred_at) < hour(HOURS)
    ]
    assert len(stars) == HOURS
    told = [
        FeedEvent(
            f"WatchEvent_{ref.github_id}_{star.account.database_id}",
            "WatchEvent",
            star.account.login,
            datetime.fromisoformat(star.starred_at),
            {"action": "started", "actor": {"login": star.account.login, "avatar_url": None}},
            "stargazers",
        )
        for star in stars[:3]
    ]
    async with Database(scene.backfill.dsn, size=2) as database:
        await feed.ensure_months(database, told)
        async with database.transaction() as connection:
            await pages.write(connection, ref, Page(datetime.now(UTC), feed=told))
    await scene.backfill.start_worker(scene.backfill.environment)
    row = await scene.completed(await scene.start("--event-type", "WatchEvent", "--event-type", "PushEvent"))
    stored = await scene.stored()
    assert Counter((each["event_type"], each["source"]) for each in stored) == {
        ("WatchEvent", "stargazers"): 3,
        ("WatchEvent", "archive"): HOURS - 3,
        ("PushEvent", "archive"): HOURS,
    }
    assert row["events_stored"] == 2 * HOURS - 3
    assert row["event_types"] == ["PushEvent", "WatchEvent"]


async def reference(backfill: Backfill, repository: Repository) -> RepositoryRef:
    [row] = await backfill.rows(
        "select id, github_id, full_name from repositories where github_id = $1", repository.database_id
    )
    return RepositoryRef(repository_id=str(row["id"]), github_id=row["github_id"], full_name=row["full_name"])


async def test_a_repository_is_known_by_its_id_whatever_it_was_called(scene: Scene) -> None:
    scene.rocket.rename("acme/rocket-of-then")
    await scene.backfill.start_worker(scene.backfill.environment)
    await scene.completed(await scene.start())
    stored = await scene.stored()
    assert len(stored) == len(scene.expected)
    assert {each["repository_name"] for each in stored} == {"rocket"}


async def test_a_repository_that_is_removed_meanwhile_is_not_read_for(scene: Scene) -> None:
    held = hold(scene, 3)
    await scene.backfill.start_worker(scene.backfill.environment)
    read_id = await scene.start()
    await eventually(so(lambda: held.waiting == 1))
    ref = await reference(scene.backfill, scene.rocket)
    await scene.backfill.rows(
        "delete from workspace_repositories where repository_id = $1", uuid.UUID(ref.repository_id)
    )
    held.release()
    row = await scene.ended(read_id)
    assert (row["status"], row["error"]["code"]) == ("failed", "removed")
    assert row["next_hour"] < hour(HOURS - 1)


def hold(scene: Scene, number: int) -> Held:
    """Of this hour no answer, before it is released."""
    held = Held()
    scene.github.faults.add(
        held, times=None, kind="archive", when=lambda it: it.method == "GET" and it.path == path(number)
    )
    return held


async def asked_for(scene: Scene, number: int) -> bool:
    return path(number) in scene.asked()


# --- What comes between -----------------------------------------------------------------------------------------------


async def test_a_kill_loses_and_doubles_nothing_and_asks_again_only_for_what_was_in_flight(scene: Scene) -> None:
    scene.backfill.environment["HEARTBEAT_TIMEOUT_SECONDS"] = "60"
    kills = (2, 5)
    held = {number: hold(scene, number) for number in kills}
    worker = await scene.backfill.start_worker(scene.backfill.environment)
    read_id = await scene.start()
    for number in kills:
        await eventually(so(lambda number=number: held[number].waiting == 1))  # type: ignore[misc]
        worker.send(signal.SIGKILL)
        await scene.backfill.died(worker)
        assert (await scene.row(read_id))["next_hour"] == hour(number), "all that was answered is stored"
        held[number].release()
        worker = await scene.backfill.start_worker(scene.backfill.environment)
    row = await scene.completed(read_id)
    assert scene.asked() == Counter(map(path, [*range(HOURS), *kills]))
    stored = await scene.stored()
    assert len(stored) == len(scene.expected) == row["events_stored"]


async def test_an_attempt_that_was_overtaken_stores_nothing(scene: Scene) -> None:
    held = hold(scene, 1)
    await scene.backfill.start_worker(scene.backfill.environment)
    read_id = await scene.start()
    await eventually(so(lambda: held.waiting == 1))
    await scene.backfill.rows(
        "update archive_reads set lease_token = lease_token + 1 where id = $1", uuid.UUID(read_id)
    )
    held.release()
    row = await scene.completed(read_id)
    assert row["events_stored"] == len(scene.expected)
    assert scene.asked() == Counter([*(path(number) for number in range(HOURS)), path(1)])


async def test_what_passes_is_tried_again(scene: Scene) -> None:
    for effect, number in ((BadGateway(), 1), (Truncated(), 2), (Reset(), 3), (ServerError(429), 4)):
        scene.github.faults.add(
            effect, kind="archive", when=lambda it, number=number: it.method == "GET" and it.path == path(number)
        )
    await scene.backfill.start_worker(scene.backfill.environment)
    read_id = await scene.start()

    async def given_back() -> bool:
        row = await scene.row(read_id)
        return scene.asked()[path(4)] == 1 and (row["attempts"], row["lease_owner"]) == (0, None)

    await eventually(given_back)
    row = await scene.row(read_id)
    assert (row["status"], row["next_hour"]) == ("in_progress", hour(4))
    assert scene.asked() == Counter({path(0): 1, path(1): 2, path(2): 2, path(3): 2, path(4): 1})
    assert len(await scene.ids()) == 3 * 4


async def test_a_server_that_does_not_recover_ends_it_with_words(scene: Scene, temporal_client: Client) -> None:
    scene.github.faults.add(
        BadGateway(), times=None, kind="archive", when=lambda it: it.method == "GET" and it.path == path(2)
    )
    await scene.backfill.start_worker(scene.backfill.environment)
    read_id = await scene.start()

    async def failing() -> bool:
        row = await scene.row(read_id)
        return bool(row["attempts"] and row["error"])

    await eventually(failing)
    # As after half an hour of it.
    await scene.backfill.rows("update archive_reads set attempts = 20 where id = $1", uuid.UUID(read_id))
    row = await scene.ended(read_id)
    assert row["status"] == "failed"
    assert (row["error"]["code"], row["error"]["action"]) == (
        "http_502",
        "what is stored stays: read again with --since 2025-03-31T22",
    )
    assert "20 attempts in a row brought nothing" in row["error"]["message"]
    result = await temporal_client.get_workflow_handle(archive_workflow_id(read_id)).result()
    assert result["outcome"] == "failed"
    assert len(await scene.ids()) == 6
    # And so it is.
    scene.github.faults.clear()
    row = await scene.completed(await scene.start(first=2, hours=HOURS - 2))
    assert len(await scene.ids()) == len(scene.expected)


async def test_a_file_that_is_damaged_where_it_is_kept_does_not_end_it(scene: Scene) -> None:
    scene.github.faults.add(
        Truncated(), times=None, kind="archive", when=lambda it: it.method == "GET" and it.path == path(2)
    )
    await scene.backfill.start_worker(scene.backfill.environment)
    read_id = await scene.start()

    async def failing() -> bool:
        row = await scene.row(read_id)
        return bool(row["attempts"] and row["error"])

    await eventually(failing)
    # As after half a minute of it.
    await scene.backfill.rows("update archive_reads set attempts = 5 where id = $1", uuid.UUID(read_id))
    row = await scene.completed(read_id)
    assert (row["hours_damaged"], row["hours_missing"]) == (1, 0)
    assert len(scene.expected) - 3 <= row["events_stored"] == len(await scene.ids()) < len(scene.expected)
    shown = await scene.backfill.run_starter(scene.backfill.environment, "archive-status", read_id)
    assert "1 hours, of which was stored what could be read" in shown.stdout


async def test_what_is_no_archive_is_not_taken_for_damaged(scene: Scene) -> None:
    scene.github.faults.add(Truncated(), times=None, kind="archive", when=lambda it: it.method == "GET")
    await scene.backfill.start_worker(scene.backfill.environment)
    read_id = await scene.start()
    await eventually(lambda: asked_for(scene, 0))
    await scene.backfill.rows("update archive_reads set attempts = 6 where id = $1", uuid.UUID(read_id))

    async def tried_again() -> bool:
        row = await scene.row(read_id)
        return row["attempts"] != 6 and row["lease_owner"] is None

    await eventually(tried_again)
    row = await scene.row(read_id)
    assert (row["status"], row["attempts"], row["next_hour"]) == ("in_progress", 7, hour(0))
    assert (row["error"]["code"], row["hours_damaged"]) == ("cut_short", 0)


async def test_an_address_that_refuses_ends_it_at_once(scene: Scene) -> None:
    scene.github.faults.add(Forbidden(), times=None, kind="archive", when=lambda it: it.method == "GET")
    await scene.backfill.start_worker(scene.backfill.environment)
    row = await scene.ended(await scene.start())
    assert (row["status"], row["error"]["code"], row["error"]["action"]) == (
        "failed",
        "http_403",
        "check GH_ARCHIVE_URL",
    )
    assert scene.asked() == Counter([path(0)])


async def test_a_canceled_reading_stops_in_the_middle_of_an_hour(scene: Scene, temporal_client: Client) -> None:
    hold(scene, 2)
    await scene.backfill.start_worker(scene.backfill.environment)
    read_id = await scene.start()

    async def in_the_third() -> bool:
        return bool((await scene.row(read_id))["next_hour"] == hour(2))

    await eventually(in_the_third)
    handle = temporal_client.get_workflow_handle(archive_workflow_id(read_id))
    await handle.cancel()
    row = await scene.ended(read_id)
    assert (row["status"], row["error"], row["next_hour"]) == ("canceled", None, hour(2))
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert len(await scene.ids()) == 6


async def test_a_worker_that_stops_gives_the_hour_to_another(scene: Scene) -> None:
    held = hold(scene, 2)
    scene.backfill.environment["SHUTDOWN_SECONDS"] = "0.5"
    worker = await scene.backfill.start_worker(scene.backfill.environment)
    read_id = await scene.start()

    async def in_the_third() -> bool:
        return bool((await scene.row(read_id))["next_hour"] == hour(2))

    await eventually(in_the_third)
    worker.stop(within=PATIENCE)
    held.release()
    assert worker.exit_code == 0
    assert (await scene.row(read_id))["attempts"] == 0, "told to stop is no failure"
    await scene.backfill.start_worker(scene.backfill.environment)
    row = await scene.completed(read_id)
    assert row["events_stored"] == len(scene.expected)


async def test_a_workflow_that_is_terminated_is_told(scene: Scene, temporal_client: Client) -> None:
    hold(scene, 0)
    await scene.backfill.start_worker(scene.backfill.environment)
    read_id = await scene.start()
    await eventually(lambda: is_in_progress(scene, read_id))
    await temporal_client.get_workflow_handle(archive_workflow_id(read_id)).terminate()
    row = await scene.ended(read_id)
    assert (row["status"], row["error"]["code"]) == ("failed", "workflow_terminated")
    assert "--since 2025-03-31T20" in row["error"]["action"]


async def is_in_progress(scene: Scene, read_id: str) -> bool:
    return bool((await scene.row(read_id))["status"] == "in_progress")


async def test_a_reading_that_temporal_never_heard_of_is_started(scene: Scene) -> None:
    """Whoever asked for it died between."""
    async with Database(scene.backfill.dsn, size=1) as database, database.transaction() as connection:
        scope = await archive_reads.scope(connection, scene.workspace_id, ["ACME/rocket"])
        read_id = await archive_reads.ask_for(
            connection, scope, event_types=(), first_hour=hour(0), last_hour=hour(HOURS - 1)
        )
    await scene.backfill.start_worker(scene.backfill.environment)
    row = await scene.completed(read_id)
    assert row["events_stored"] == len(scene.expected)
