"""GH Archive's hours: everything that was ever told, of everybody."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.github import Clock, World
from sandbox.github.faults import BadGateway
from sandbox.github.rest import archive
from sandbox.github.world.clock import after
from sandbox.github.world.repositories import Repository
from tests.support.sandbox.events import NOW, told


def lines(content: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in gzip.decompress(content).splitlines()]


def hours(client: Any, *names: str) -> list[dict[str, Any]]:
    found = []
    for name in names:
        reply = client.get(f"/archive/{name}.json.gz", {"Authorization": ""})
        assert reply.status == 200
        found += lines(reply.body)
    return found


def test_an_hour(client: Any, repository: Repository, world: World) -> None:
    """The events of all repositories, each once and in order, as the API tells them."""
    other = world.add_repository("octo/other")
    private = world.add_repository("octo/secret", is_private=True)
    for number in range(30):
        for each in (repository, other, private):
            each.star(world.account(f"gazer-{number}"), after("2026-02-20T08:30:00Z", number * 120))
    found = hours(client, "2026-02-20-8", "2026-02-20-9")
    assert [event["created_at"] for event in found] == sorted(event["created_at"] for event in found)
    assert found[0]["created_at"] >= "2026-02-20T08:00:00Z"
    assert all(isinstance(event["id"], str) for event in found)
    ours = [event for event in found if event["repo"]["name"] == "octo/hello"]
    assert {event["id"] for event in ours} == {event["id"] for event in told(client, "WatchEvent")}
    assert ours[0]["payload"] == {"action": "started"}
    names = [event["repo"]["name"] for event in found]
    assert (len(ours), names.count("octo/other"), names.count("octo/secret")) == (30, 30, 0)
    assert sum(name.startswith("elsewhere/") for name in names) == 10, "of repositories nobody asked for"


def test_an_event_is_in_one_hour(client: Any, repository: Repository, world: World) -> None:
    for number in range(60):
        repository.star(world.account(f"gazer-{number}"), after("2026-02-20T08:59:40Z", number // 2))
    found = [
        event["id"] for event in hours(client, "2026-02-20-8", "2026-02-20-9") if event["repo"]["name"][:4] == "octo"
    ]
    assert len(found) == len(set(found)) == 60


def test_it_forgets_nothing(client: Any, repository: Repository, world: World) -> None:
    ann, at = world.account("leaver"), "2026-01-10T05:30:00Z"
    repository.star(ann, at)
    repository.push(ann, at=at)
    kinds = ("GollumEvent", "CommitCommentEvent", "MemberEvent", "PublicEvent")
    for kind in kinds:
        repository.add_event(kind, ann, {"pages": []}, at, archived=True)
    ann.delete()
    found = {event["type"] for event in hours(client, "2026-01-10-5") if event["actor"]["login"] == "leaver"}
    assert found == {"WatchEvent", "PushEvent", *kinds}
    assert not [event for event in told(client) if event["actor"]["login"] == "leaver"]


def test_payloads_were_fuller_once(client: Any, repository: Repository, world: World) -> None:
    ann = world.account("ann")
    repository.push(ann, commits=["a" * 40, "b" * 40], at="2025-09-01T00:30:00Z")
    repository.open_pull_request(ann, "Old", created_at="2025-09-01T00:30:00Z")
    found = {event["type"]: event["payload"] for event in hours(client, "2025-09-01-0")}
    assert [each["sha"] for each in found["PushEvent"]["commits"]] == ["a" * 40, "b" * 40]
    assert (found["PushEvent"]["size"], found["PushEvent"]["head"]) == (2, "b" * 40)
    assert found["PullRequestEvent"]["pull_request"]["title"] == "Old"


@pytest.mark.parametrize(
    "name",
    [
        "2026-03-01-12",  # not over
        "2026-02-28-24",
        "2026-02-28-08",
        "2026-02-30-1",
        "2011-02-11-23",
        "index.html",
        "2026-02-28-5.json",
    ],
)
def test_hours_that_are_not_there(client: Any, name: str) -> None:
    suffix = "" if name.endswith(("html", "json")) else ".json.gz"
    assert client.get(f"/archive/{name}{suffix}").status == 404
    assert archive.hour(client.github.world, "2026-03-01-11") is not None


def test_an_hours_size_is_told_without_the_hour(client: Any, repository: Repository) -> None:
    assert repository.name_with_owner == "octo/hello"
    asked = client.send("HEAD", "/archive/2026-02-01-0.json.gz")
    whole = client.get("/archive/2026-02-01-0.json.gz")
    assert (asked.status, asked.body) == (200, b"")
    assert int(asked.headers["Content-Length"]) == len(whole.body) > 0
    assert client.send("HEAD", "/archive/2026-03-01-12.json.gz").status == 404
    assert [(entry.method, entry.size) for entry in client.github.log] == [
        ("HEAD", 0),
        ("GET", len(whole.body)),
        ("HEAD", 0),
    ]


def test_hours_are_lost_and_logged(client: Any, world: World, clock: Clock) -> None:
    world.archive_gaps.add("2026-02-01-5")
    fault = client.github.faults.add(BadGateway(), kind="archive")
    statuses = [client.get(f"/archive/2026-02-01-{hour}.json.gz").status for hour in (4, 4, 5)]
    assert statuses == [502, 200, 404]
    assert fault.hits == 1
    logged = [(entry.path, entry.status, entry.cost) for entry in client.github.log if entry.kind == "archive"]
    assert logged == [
        ("/archive/2026-02-01-4.json.gz", 502, 0),
        ("/archive/2026-02-01-4.json.gz", 200, 0),
        ("/archive/2026-02-01-5.json.gz", 404, 0),
    ]
    assert client.get("/archive/2026-03-01-12.json.gz").status == 404
    clock.advance(3_600)
    assert client.get("/archive/2026-03-01-12.json.gz").status == 200


def test_files(tmp_path: Path, repository: Repository, world: World) -> None:
    repository.star(world.account("ann"), "2026-02-28T23:59:30Z")
    written = archive.write(world, tmp_path, "2026-02-28T22:10:00Z", NOW)
    assert [path.name for path in written[:3]] == [f"2026-02-{name}.json.gz" for name in ("28-22", "28-23")] + [
        "2026-03-01-0.json.gz"
    ]
    assert len(written) == 14, "the present hour is not over"
    names = [event["actor"]["login"] for path in written for event in lines(path.read_bytes())]
    assert names.count("ann") == 1
    assert archive.name_of("2026-02-01T05:10:00Z") == "2026-02-01-5.json.gz"
