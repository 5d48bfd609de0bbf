"""Compares the stored feed with the stand-in's world, event by event: what it has to hold, what it may hold, and
nothing else.

Sources give one event times that are seconds apart, and an event after a sweep's beginning may or may not be stored.
So a stored row is not equal to an expected one, but is matched with it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.github.world import events
from sandbox.github.world.accounts import Account, present
from sandbox.github.world.clock import after
from sandbox.github.world.commits import HEADS, NOTHING, PUSHES, Activity, Commit
from sandbox.github.world.events import Event
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.releases import RawEvent, Release, Star
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Issue, Thread, TimelineEvent

YEAR = 365 * 86_400
APART = timedelta(seconds=2 * events.SHIFT + 1)
TIMELESS = ("ForkEvent", "ReleaseEvent")
BRANCH = {"branch_creation": "CreateEvent", "branch_deletion": "DeleteEvent"}
ACTIONS = {"ClosedEvent": "closed", "ReopenedEvent": "reopened"}
Row = dict[str, Any]


def moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


@dataclass
class Happening:
    """Something that happened. `must`: it has to be stored, because it is listed or the events API shows it. `says`
    returns what is wrong with a row that is matched with it.
    """

    type: str
    key: str
    at: datetime
    actors: set[str]
    must: bool
    exact: dict[str, Any] = field(default_factory=dict)
    """What of the row's payload has to be so: dotted path to value."""
    says: Callable[[Row], dict[str, Any]] | None = None
    """The same, where it depends on the row."""
    whenever: bool = False


def differences(
    repository: Repository, since: datetime | None, as_of: datetime | None, rows: Iterable[Row], *, threads: bool
) -> list[str]:
    """Returns the differences: each stored row has to match one event, and each event that must be stored one row."""
    with repository.world.still():
        held = list(_held(repository, since, threads=threads))
    groups: dict[tuple[str, str], tuple[list[Happening], list[Row]]] = defaultdict(lambda: ([], []))
    for each in held:
        groups[each.type, each.key or min(each.actors).lower()][0].append(each)
    for row in rows:
        groups[row["event_type"], _key(row) or row["actor_login"].lower()][1].append(row)
    lines: list[str] = []
    for (kind, key), (wanted, found) in groups.items():
        pairs = sorted(
            (
                (abs(each.at - row["created_at"]), place, at)
                for place, each in enumerate(wanted)
                for at, row in enumerate(found)
                if each.whenever or row["source"] == "history" or abs(each.at - row["created_at"]) <= APART
            ),
            key=lambda pair: pair[0],
        )
        paired: dict[int, int] = {}
        for _, place, at in pairs:
            if place not in paired and at not in paired.values():
                paired[place] = at
        for place, each in enumerate(wanted):
            if place in paired:
                lines += _wrong(each, found[paired[place]])
            elif each.must and (since is None or each.at >= since + APART) and (as_of is None or each.at < as_of):
                lines.append(f"feed: {kind} {key} of {each.at} is missing")
        lines += [
            f"feed: {kind} {key} of {row['created_at']} ({row['source']}, {row['event_id']}) is too much"
            for at, row in enumerate(found)
            if at not in paired.values() and not _is_of_the_deleted(repository, row)
        ]
    return lines


def _wrong(wanted: Happening, row: Row) -> Iterator[str]:
    about = f"feed: {row['event_id']}"
    if row["actor_login"] not in wanted.actors:
        yield f"{about}: actor {row['actor_login']}, not {wanted.actors}"
    if (row["processed"], row["is_privileged"]) != (False, False):
        yield f"{about}: processed {row['processed']}, privileged {row['is_privileged']}"
    for path, value in (wanted.says(row) if wanted.says else wanted.exact).items():
        found: Any = row["payload"]
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        if found != value:
            yield f"{about}: {path} is {found!r}, not {value!r}"


def _is_of_the_deleted(repository: Repository, row: Row) -> bool:
    """Returns whether the row is about a thread that was deleted later. Such rows stay."""
    payload = row["payload"]
    number = payload.get("number") or payload.get("issue", {}).get("number")
    return number in repository.deleted or number in repository.moved


def _key(row: Row) -> str:
    kind, payload = row["event_type"], row["payload"]
    if kind == "PushEvent":
        return f"{payload['ref'].removeprefix(HEADS)} {payload['head']}"
    if kind == "ForkEvent":
        return str(payload["forkee"]["id"])
    if kind == "ReleaseEvent":
        return str(payload["release"]["id"])
    if kind in ("CreateEvent", "DeleteEvent"):
        return f"{payload['ref_type']} {str(payload['ref']).removeprefix(HEADS)}"
    if kind in ("PullRequestEvent", "IssuesEvent"):
        number = payload["number"] if "number" in payload else payload["issue"]["number"]
        return f"{payload['action']} {number} {payload.get('label', {}).get('name')}"
    for child in ("comment", "review", "discussion"):
        if child in payload:
            return str(payload[child]["id"])
    return ""


def _login(account: Account | None) -> str:
    shown = present(account)
    return shown.rest_login if shown else "ghost"


def _held(repository: Repository, since: datetime | None, *, threads: bool) -> Iterator[Happening]:
    """Yields everything that the world knows to have happened, each thing once."""
    told: set[tuple[str, str, int]] = set()
    now = repository.world.clock.stamp()

    def once(kind: str, action: str, source: object) -> bool:
        key = kind, action, id(source)
        new = key not in told
        told.add(key)
        return new

    shown = {(event.type, event.action, id(event.source)) for event in events.shown(repository)}
    listed = repository.shows_stargazers_to(repository.world.account("viewer"))
    for star in repository.stars.values():
        if listed and once("WatchEvent", "started", star):
            yield _star(star, must=True)
    for fork in repository.forks.values():
        once("ForkEvent", "forked", fork)
        yield _fork(repository, fork)
    for release in repository.shown_releases():
        once("ReleaseEvent", "published", release)
        yield _release(release)
    recent = [each for each in repository.git.activity if each.timestamp >= after(now, -YEAR)]
    for activity in recent:
        once(_activity_type(activity), "branch", activity)
        yield _activity(activity)
    yield from _history(repository, recent, since)
    for thread in (*repository.pull_requests.values(), *repository.issues.values()):
        for happening, action, source in _thread(thread):
            kind = "PullRequestEvent" if isinstance(thread, PullRequest) else "IssuesEvent"
            if once(kind, action, source):
                happening.must = threads or (kind, action, id(source)) in shown
                yield happening
    for event in events.between(repository, "2008-01-01T00:00:00Z", now):
        if once(event.type, event.action, event.source):
            yield _event(event, must=(event.type, event.action, id(event.source)) in shown)


def _star(star: Star, *, must: bool) -> Happening:
    login = star.account.rest_login
    exact = {"action": "started", "actor.login": login, "actor.avatar_url": star.account.avatar_url}
    return Happening("WatchEvent", "", moment(star.starred_at), {login}, must, exact)


def _fork(repository: Repository, fork: Repository) -> Happening:
    maker = repository.forked_by[fork.database_id]
    exact = {
        "forkee": {
            "id": fork.database_id,
            "name": fork.name,
            "full_name": fork.name_with_owner,
            "owner": {"login": fork.owner.login, "id": fork.owner.database_id},
        }
    }
    return Happening(
        "ForkEvent",
        str(fork.database_id),
        moment(fork.created_at),
        {fork.owner.rest_login, maker.rest_login},
        True,
        says=lambda row: exact | {"actor.login": row["actor_login"]},
        whenever=True,
    )


def _release(release: Release) -> Happening:
    assert release.published_at is not None
    exact = {
        "action": "published",
        "release.id": release.database_id,
        "release.tag_name": release.tag_name,
        "release.name": release.name,
        "release.body": release.body,
        "release.draft": False,
        "release.prerelease": release.is_prerelease,
        "release.created_at": release.created_at,
        "release.published_at": release.published_at,
        "release.author.login": _login(release.author_account),
    }
    return Happening(
        "ReleaseEvent",
        str(release.database_id),
        moment(release.published_at),
        {_login(release.author_account)},
        True,
        exact,
        whenever=True,
    )


def _activity_type(activity: Activity) -> str:
    return BRANCH.get(activity.activity_type, "PushEvent")


def _activity(activity: Activity, *, must: bool = True) -> Happening:
    at, actors = moment(activity.timestamp), {_login(activity.account)}
    if activity.is_push:
        key = f"{activity.branch} {activity.after}"
        exact = {"ref": activity.ref, "before": activity.before, "head": activity.after}
        return Happening("PushEvent", key, at, actors, must, exact)
    exact = {"ref": activity.branch, "ref_type": "branch"}
    return Happening(_activity_type(activity), f"branch {activity.branch}", at, actors, must, exact)


def _history(repository: Repository, recent: list[Activity], since: datetime | None) -> Iterator[Happening]:
    """Yields the commits of the default branch that no push of the last year contains. They are read only if that year
    was not enough.
    """
    head = repository.git.head(repository.default_branch)
    if head is None:
        return
    # The branch's pushes that GitHub still tells of, by what they left it at.
    ref = HEADS + repository.default_branch
    pushed: dict[str, list[str]] = defaultdict(list)
    for each in recent:
        if each.ref == ref and each.activity_type in PUSHES:
            pushed[each.after].append(each.before)
    enough = since is not None and any(moment(each.timestamp) < since for each in recent)
    ahead, seen = [head], set()
    while ahead:
        commit = ahead.pop()
        if commit.oid in seen:
            continue
        seen.add(commit.oid)
        before = [repository.git.commits[oid] for oid in pushed[commit.oid] if oid != NOTHING]
        if commit.oid not in pushed or not pushed[commit.oid]:
            yield _commit(ref, commit, must=not enough)
        ahead += before or list(commit.parents[:1])


def _commit(ref: str, commit: Commit, *, must: bool) -> Happening:
    account = present(commit.author_account)
    actor = "ghost"
    if account is not None and account.typename == "User":
        actor = account.login
    elif commit.author_name is None and commit.author_account is not None and commit.author_account.typename == "Bot":
        actor = commit.author_account.rest_login
    exact = {"ref": ref, "before": commit.parents[0].oid if commit.parents else NOTHING, "head": commit.oid}
    key = f"{ref.removeprefix(HEADS)} {commit.oid}"
    return Happening("PushEvent", key, moment(commit.committed_date), {actor}, must, exact)


def _thread(thread: Thread) -> Iterator[tuple[Happening, str, object]]:
    closings = [each for each in thread.events if each.typename == "ClosedEvent"]
    merge = max(closings, key=lambda each: each.created_at) if closings and _is_merged(thread) else None
    yield _of_thread(thread, "opened", thread.created_at, thread.account, merged=False), "opened", thread
    for event in thread.events:
        if event.typename in ACTIONS:
            action = ACTIONS[event.typename]
            happening = _of_thread(thread, action, event.created_at, event.account, merged=event is merge)
            yield happening, action, event
    if thread.closed_at and not any(each.created_at >= after(thread.closed_at, -60) for each in closings):
        closer = thread.merged_by_account if isinstance(thread, PullRequest) else None
        closed = _of_thread(thread, "closed", thread.closed_at, closer, merged=_is_merged(thread))
        yield closed, "closed", thread


def _is_merged(thread: Thread) -> bool:
    return isinstance(thread, PullRequest) and thread.merged_at is not None


def _of_thread(thread: Thread, action: str, at: str, by: Account | None, *, merged: bool) -> Happening:
    kind, word = ("PullRequestEvent", "pull_request") if isinstance(thread, PullRequest) else ("IssuesEvent", "issue")
    account = present(thread.account)
    exact: dict[str, Any] = {
        "action": action,
        f"{word}.id": thread.database_id,
        f"{word}.number": thread.number,
        f"{word}.state": "closed" if action == "closed" else "open",
    }
    if isinstance(thread, PullRequest):
        exact["number"] = thread.number
    whole = exact | {
        f"{word}.title": thread.title.replace("\x00", ""),
        f"{word}.user": {"login": _login(thread.account), "id": account.database_id if account else 10137},
        f"{word}.created_at": thread.created_at,
    }
    if isinstance(thread, PullRequest):
        whole[f"{word}.merged"] = merged

    def says(row: Row) -> dict[str, Any]:
        # What was told before the thread was edited may say its old title.
        return whole if row["threads"] and row["as_of"] > thread.updated_at else exact

    return Happening(kind, f"{action} {thread.number} None", moment(at), {_login(by)}, True, says=says)


def _event(event: Event, *, must: bool) -> Happening:
    """Returns an event that only the events API shows."""
    source, at, actors = event.source, moment(event.created_at), {event.account.rest_login}
    if isinstance(source, Star):
        return _star(source, must=must)
    if isinstance(source, Activity):
        return _activity(source, must=must)
    if isinstance(source, RawEvent):
        row = {"event_type": event.type, "payload": source.payload}
        return Happening(event.type, _key(row), at, actors, must, source.payload)
    if event.type == "CreateEvent":
        return Happening(event.type, f"tag {source.tag_name}", at, actors, must)
    if event.type in ("PullRequestEvent", "IssuesEvent"):
        thread = source.thread if isinstance(source, TimelineEvent) else source
        label = source.data["label"].name if isinstance(source, TimelineEvent) and "label" in source.data else None
        assert isinstance(thread, PullRequest | Issue)
        return Happening(event.type, f"{event.action} {thread.number} {label}", at, actors, must)
    return Happening(event.type, str(source.database_id), at, actors, must)
