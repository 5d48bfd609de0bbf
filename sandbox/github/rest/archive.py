"""GH Archive's hourly files, gzipped, with one event a line. The files have every public event of the world, and some
events of repositories that are not in the world.

Unlike GitHub, the archive keeps events of deleted accounts and events that the API no longer shows. Payloads from
before October 2025 have more fields, because GitHub removed fields from payloads at that time.
"""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from sandbox.github.rest.calls import Call
from sandbox.github.rest.shapes.events import event_shape
from sandbox.github.rest.shapes.threads import pull_shape
from sandbox.github.world import events
from sandbox.github.world.chance import spread
from sandbox.github.world.clock import Stamp, after, moment, stamp
from sandbox.github.world.commits import Activity
from sandbox.github.world.events import Event
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.threads import TimelineEvent
from sandbox.github.world.world import World

NAME = re.compile(r"(\d{4}-\d{2}-\d{2})-(\d|1\d|2[0-3])(?:\.json\.gz)?")
FIRST = "2011-02-12T00:00:00Z"
TRIMMED = "2025-10-07T00:00:00Z"
"""From this moment on payloads are trimmed."""
ROOT = "https://api.github.com"
EVENTS_ELSEWHERE = 5
"""How many events of each hour belong to repositories that are not in the world."""


def name_of(at: Stamp) -> str:
    """Returns the name of the file for the hour in which the time `at` lies."""
    return f"{at[:10]}-{int(at[11:13])}.json.gz"


def hour(world: World, name: str) -> bytes | None:
    """Returns the content of a file. Returns None if the file does not exist, for example because the hour is not
    over.
    """
    parsed = NAME.fullmatch(name)
    if parsed is None:
        return None
    try:
        first = stamp(moment(f"{parsed[1]}T{int(parsed[2]):02}:00:00Z"))
    except ValueError:
        return None
    end = after(first, 3_600)
    if first < FIRST or end > world.clock.stamp() or name.removesuffix(".json.gz") in world.archive_gaps:
        return None
    with world.lock:
        lines = sorted(
            (*_known(world, first, after(end, -1)), *_events_elsewhere(first)), key=lambda line: line["created_at"]
        )
        return gzip.compress(b"".join(orjson.dumps(line) + b"\n" for line in lines), mtime=0)


def write(world: World, folder: Path, first: Stamp, last: Stamp) -> list[Path]:
    """Writes the files of the hours from `first` to `last` into `folder`. Returns the paths of the written files. Hours
    without a file in the archive are left out.
    """
    written = []
    at = first[:13] + ":00:00Z"
    while at <= last:
        content = hour(world, name_of(at))
        if content is not None:
            written.append(folder / name_of(at))
            written[-1].write_bytes(content)
        at = after(at, 3_600)
    return written


def _known(world: World, first: Stamp, last: Stamp) -> Iterator[dict[str, Any]]:
    call = Call(world, world.ghost, ROOT, False, "", {})
    for repository in world.repositories.values():
        if not repository.is_private:
            for event in events.between(repository, first, last):
                shape = event_shape(call, event)
                if event.created_at < TRIMMED:
                    shape["payload"] |= _untrimmed(call, event)
                yield shape


def _untrimmed(call: Call, event: Event) -> dict[str, Any]:
    source = event.source.thread if isinstance(event.source, TimelineEvent) else event.source
    if event.type == "PullRequestEvent" and isinstance(source, PullRequest):
        return {"pull_request": pull_shape(call, source)}
    if event.type != "PushEvent" or not isinstance(source, Activity):
        return {}
    commits: list[dict[str, Any]] = []
    commit = event.repository.git.commit(source.after)
    while commit.oid != source.before and commit.parents and len(commits) < 20:
        author = {"name": commit.author_name or (commit.author_account and commit.author_account.login), "email": ""}
        commits.append({"sha": commit.oid, "author": author, "message": commit.message, "distinct": True})
        commit = commit.parents[0]
    return {"size": len(commits), "distinct_size": len(commits), "commits": commits[::-1]}


def _events_elsewhere(first: Stamp) -> Iterator[dict[str, Any]]:
    """Yields events of repositories that are not in the world. The events lie in the hour that begins at `first`."""
    for place in range(EVENTS_ELSEWHERE):
        seed = f"stranger {place} at {first}"
        number = spread(seed, 10_000)
        yield {
            "id": str(900_000_000_000_000 + spread(seed, 10**14)),
            "type": "WatchEvent",
            "actor": {"id": number, "login": f"passer-by-{number}", "gravatar_id": "", "url": "", "avatar_url": ""},
            "repo": {"id": 3_000_000_000 + number, "name": f"elsewhere/thing-{number}", "url": ""},
            "payload": {"action": "started"},
            "public": True,
            "created_at": after(first, spread(seed, 3_600)),
        }
