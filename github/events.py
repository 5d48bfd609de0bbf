"""What happens to a repository beside its threads: its stars, forks, releases, pushes and branches, as feed events.

One function a source: each sends one request and returns rows with where its list goes on. Lists are newest first, and
a `cursor` of a numbered list is how many of its things were read. Sources tell of the same happening in different words
and seconds apart; `store/feed.py` makes one row of them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from errors import PartOver
from github.actors import Node
from github.answers import Answer
from github.client import GitHub
from github.node_ids import database_id
from github.nodes import shown
from github.refusals import Gone, InvalidCursor, SwitchedOff
from github.repositories import check_identity
from messages import RepositoryRef
from rows import EventSource, FeedEvent, Json, Page, StarDay

GHOST = "ghost"
HEADS = "refs/heads/"
NOTHING = "0" * 40
"""The oid of a branch before it was created, and after it was deleted."""
WEEKS_A_PAGE = 30
_PUSHES = frozenset({"push", "force_push", "pr_merge", "merge_queue_merge"})
_OF_BRANCHES = {"branch_creation": "CreateEvent", "branch_deletion": "DeleteEvent"}


class Refused(PartOver):
    """GitHub does not show this list to these tokens. The repository's other lists are not meant."""


@dataclass(slots=True)
class Happenings:
    """One answer's rows and the place after it."""

    page: Page
    cursor: str | None = None
    """Where the list goes on; None at its end."""
    oldest: datetime | None = None
    """Down to here the list was read."""
    hidden: int = 0
    """Things that these tokens may not see."""
    seconds: float = 0.0
    cost: int = 0
    total: int | None = None
    branch: str | None = None
    """Forks: the default branch, and its head; None in an empty repository."""
    head: str | None = None


class Commit(NamedTuple):
    oid: str
    committed_at: datetime
    actor_login: str
    author: str | None
    """The name that git knows."""
    headline: str
    parent: str | None
    """The first one: what the branch was before it, if it is of the branch."""


@dataclass(slots=True)
class History:
    """A commit and those that it is reached from, as many as fit, by oid."""

    commits: dict[str, Commit]
    in_scope: int
    """How many of all that it is reached from were committed since the moment asked for."""
    asked_at: datetime
    seconds: float
    cost: int


async def read_stargazers(github: GitHub, repository: RepositoryRef, first: int, after: str | None) -> Happenings:
    """Stars that were not taken back. Raises `Refused` where GitHub shows only how many there are."""
    answer = await github.graphql("Stargazers", _named(repository) | {"first": first, "after": after})
    found = _repository(answer, "stargazers", repository)
    connection = found["stargazers"]
    edges = shown(connection["edges"], "stargazers")
    if after is None and not connection["edges"] and found["stargazerCount"] > 0:
        raise Refused("forbidden", f"GitHub shows none of the {found['stargazerCount']} stargazers to these tokens")
    read = _read(answer, connection, len(edges.hidden))
    for edge in edges.nodes:
        user, at = edge["node"], _time(edge["starredAt"])
        number = database_id(user)
        payload = {"action": "started", "actor": {"login": user["login"], "avatar_url": user["avatarUrl"]}}
        event_id = f"WatchEvent_{repository.github_id}_{number}_{_epoch(at)}"
        read.page.feed.append(FeedEvent(event_id, "WatchEvent", user["login"], at, payload, "stargazers"))
    return _reaching(read)


async def read_star_history(github: GitHub, repository: RepositoryRef, weeks: int) -> Happenings:
    """Stars a day, from `weeks` weeks ago back. Today's day is not over, and days to come are left out."""
    page = weeks // WEEKS_A_PAGE + 1
    answer = await _rest(github, repository, "stargazers/history", {"per_page": WEEKS_A_PAGE, "page": page})
    today = answer.asked_at.date()
    read = Happenings(Page(answer.asked_at), seconds=answer.seconds)
    for week in answer.data:
        sunday = datetime.fromtimestamp(week["week"], UTC).date()
        days = [StarDay(sunday + timedelta(days=place), stars) for place, stars in enumerate(week["days"])]
        read.page.star_days += [each for each in days if each.day <= today]
        read.oldest = datetime.fromtimestamp(week["week"], UTC)
    read.cursor = str(page * WEEKS_A_PAGE) if answer.next_path else None
    return read


async def read_forks(github: GitHub, repository: RepositoryRef, first: int, after: str | None) -> Happenings:
    """Forks that are still there. Who made one for an organization, only the events API tells."""
    answer = await github.graphql("Forks", _named(repository) | {"first": first, "after": after})
    found = _repository(answer, "forks", repository)
    forks = shown(found["forks"]["nodes"], "forks")
    read = _read(answer, found["forks"], len(forks.hidden))
    reference = found["defaultBranchRef"]
    if reference is not None and reference["target"] is not None:
        read.branch, read.head = reference["name"], reference["target"]["oid"]
    for node in forks.nodes:
        number, owner, at = database_id(node), node["owner"], _time(node["createdAt"])
        payload = {
            "forkee": {
                "id": number,
                "name": node["name"],
                "full_name": node["nameWithOwner"],
                "owner": {"login": owner["login"], "id": database_id(owner)},
            },
            "actor": {"login": owner["login"], "avatar_url": owner["avatarUrl"]},
        }
        read.page.feed.append(FeedEvent(f"ForkEvent_fork_{number}", "ForkEvent", owner["login"], at, payload, "forks"))
    return _reaching(read)


async def read_releases(github: GitHub, repository: RepositoryRef, size: int, offset: int) -> Happenings:
    """Published releases. Their order is that of their creation: one may have been a draft for long, so that only the
    list's end is the end."""
    answer = await _rest(github, repository, "releases", _numbered(size, offset))
    read = Happenings(Page(answer.asked_at), _next(answer, size, offset), seconds=answer.seconds)
    for release in answer.data:
        if release["draft"] or not release["published_at"]:
            continue
        author = release.get("author")
        kept = ("id", "tag_name", "name", "body", "draft", "prerelease", "created_at", "published_at", "html_url")
        payload = {
            "action": "published",
            "release": {key: release.get(key) for key in kept} | {"author": author and _user(author)},
        }
        event_id = f"ReleaseEvent_release_{release['id']}"
        at = _time(release["published_at"])
        login = author["login"] if author else GHOST
        read.page.feed.append(FeedEvent(event_id, "ReleaseEvent", login, at, payload, "releases"))
    return read


async def read_activity(github: GitHub, repository: RepositoryRef, size: int, after: str | None) -> Happenings:
    """What happened to branches: about a year of pushes, creations and deletions. Raises `InvalidCursor`."""
    query: dict[str, Any] = {"per_page": size, "direction": "desc"} | ({"after": after} if after else {})
    try:
        answer = await _rest(github, repository, "activity", query)
    except PartOver as error:
        if after and error.code == "http_422":
            raise InvalidCursor("invalid_cursor", error.message) from error
        raise
    read = Happenings(Page(answer.asked_at), seconds=answer.seconds)
    if answer.next_path:
        # Only the cursor: the link names the repository as it is called today.
        read.cursor = parse_qs(urlsplit(answer.next_path).query)["after"][0]
    for activity in answer.data:
        event = _activity(activity, repository)
        if event is not None:
            read.page.feed.append(event)
        read.oldest = _time(activity["timestamp"])
    return read


def _activity(activity: Node, repository: RepositoryRef) -> FeedEvent | None:
    at, ref, kind = _time(activity["timestamp"]), str(activity["ref"]), activity["activity_type"]
    login = activity["actor"]["login"] if activity["actor"] else GHOST
    source: EventSource = "activity"
    if kind in _PUSHES:
        before, head = activity["before"], activity["after"]
        payload = {"ref": ref, "before": before, "head": head, "activity_type": kind}
        return FeedEvent(_push_id(repository, ref, before, head), "PushEvent", login, at, payload, source)
    if kind in _OF_BRANCHES:
        event_type, payload = _OF_BRANCHES[kind], {"ref": ref.removeprefix(HEADS), "ref_type": "branch"}
        event_id = f"{event_type}_{repository.github_id}_{ref}_{_epoch(at)}"
        return FeedEvent(event_id, event_type, login, at, payload | {"full_ref": ref}, source)
    return None


async def read_history(
    github: GitHub, repository: RepositoryRef, oid: str, first: int, since: datetime
) -> History | None:
    """The commit `oid` and what it is reached from; None if GitHub no longer has it.

    Its order is not that of dates, and a parent can be listed before its child. Going on from the first commit that was
    not among them needs no cursor, and no branch that stays where it is.
    """
    variables = {"oid": oid, "first": first, "since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    answer = await github.graphql("CommitHistory", _named(repository) | variables)
    commit = _repository(answer, "object", repository)["object"]
    if not commit:
        return None
    read = History({}, commit["inScope"]["totalCount"], answer.asked_at, answer.seconds, answer.cost)
    for node in shown(commit["history"]["nodes"], "commits").nodes:
        author = node["author"] or {}
        name = author.get("name")
        # A bot is no user there, and has its login for a name.
        login = author["user"]["login"] if author.get("user") else str(name) if str(name).endswith("[bot]") else GHOST
        parents = node["parents"]["nodes"]
        parent = parents[0]["oid"] if parents else None
        read.commits[node["oid"]] = Commit(
            node["oid"], _time(node["committedDate"]), login, name, node["messageHeadline"], parent
        )
    return read


def push_of(repository: RepositoryRef, ref: str, commit: Commit) -> FeedEvent:
    """A commit of a branch, of which nobody tells with what others it was pushed, as a push of its own."""
    before = commit.parent or NOTHING
    payload = {
        "ref": ref,
        "before": before,
        "head": commit.oid,
        "size": 1,
        "commits": [{"sha": commit.oid, "message": commit.headline, "author": {"name": commit.author}}],
    }
    event_id = _push_id(repository, ref, before, commit.oid)
    return FeedEvent(event_id, "PushEvent", commit.actor_login, commit.committed_at, payload, "history")


async def read_events(github: GitHub, repository: RepositoryRef, size: int, offset: int) -> Happenings:
    """The latest events of all kinds: at most 300, of at most 30 days."""
    answer = await _rest(github, repository, "events", _numbered(size, offset))
    read = Happenings(Page(answer.asked_at), _next(answer, size, offset), seconds=answer.seconds)
    for event in answer.data:
        at, event_type, actor = _time(event["created_at"]), event["type"], event["actor"]
        payload = payload_of(event)
        login = (actor or {}).get("login") or GHOST
        read.page.feed.append(FeedEvent(f"{event_type}_{event['id']}", event_type, login, at, payload, "events"))
    return _reaching(read)


# --- GitHub's payloads in the host's shapes: trimmed since October 2025, and fuller than its screens read before


def payload_of(event: Node) -> Json:
    """The payload of an event as the API tells it, or told it once. Raises `KeyError` for what is no event."""
    event_type = event["type"]
    return _PAYLOADS[event_type](event) if event_type in _PAYLOADS else event["payload"]


def _watch(event: Node) -> Json:
    return {"action": "started", "actor": _actor(event)}


def _fork(event: Node) -> Json:
    forkee = event["payload"]["forkee"]
    owner = {key: forkee["owner"][key] for key in ("login", "id")}
    shape = {key: forkee[key] for key in ("id", "name", "full_name")} | {"owner": owner}
    return {"forkee": shape, "actor": _actor(event)}


def _pull_request(event: Node) -> Json:
    payload = event["payload"]
    shape = _thread(payload["pull_request"], event) | {"number": payload["number"]}
    merged = payload["pull_request"].get("merged")
    if merged is None and payload["action"] in ("opened", "reopened"):
        merged = False
    if payload["action"] == "merged":
        payload, merged = payload | {"action": "closed"}, True
    if merged is not None:
        shape["merged"] = merged
    return payload | {"pull_request": shape}


def _issue(event: Node) -> Json:
    return event["payload"] | {"issue": _thread(event["payload"]["issue"], event)}


def _thread(thread: Node, event: Node) -> Node:
    """What is there of it; the rest comes from the stored threads (`feed.complete`)."""
    shape = {key: thread[key] for key in ("id", "number", "title", "created_at", "updated_at") if thread.get(key)}
    action = event["payload"]["action"]
    if thread.get("user"):
        shape["user"] = {key: thread["user"][key] for key in ("login", "id")}
    if action in ("opened", "reopened", "closed", "merged"):
        shape["state"] = "open" if action in ("opened", "reopened") else "closed"
    elif thread.get("state"):
        shape["state"] = thread["state"]
    return shape


def _actor(event: Node) -> Node:
    actor = event["actor"] or {"login": GHOST, "avatar_url": None}
    return {key: actor.get(key) for key in ("login", "avatar_url")}


def _user(user: Node) -> Node:
    return {key: user.get(key) for key in ("login", "id", "avatar_url", "html_url", "type")}


_PAYLOADS = {"WatchEvent": _watch, "ForkEvent": _fork, "PullRequestEvent": _pull_request, "IssuesEvent": _issue}


# --- requests and places


def _named(repository: RepositoryRef) -> dict[str, Any]:
    owner, _, name = repository.full_name.partition("/")
    return {"owner": owner, "name": name}


def _repository(answer: Answer, field_: str, repository: RepositoryRef) -> Node:
    found: Node | None = answer.data.get("repository")
    refusal = answer.refusal_of("repository", field_)
    if refusal is not None and (found is None or found.get(field_) is None):
        raise Refused("forbidden", f"GitHub does not show the {field_} of {repository.full_name}: {refusal}")
    if found is None:
        raise Gone("gone", f"GitHub has no {repository.full_name}", "the repository was deleted, or is private")
    check_identity(found, repository)
    return found


async def _rest(github: GitHub, repository: RepositoryRef, route: str, query: dict[str, Any]) -> Answer:
    """Raises `Refused` for a route that GitHub denies to these tokens: the repository itself was found before."""
    try:
        # By id: the name may be another repository's by now.
        return await github.rest(f"/repositories/{repository.github_id}/{route}?{urlencode(query)}")
    except (Gone, SwitchedOff) as error:
        raise Refused(error.code, error.message) from error
    except PartOver as error:
        if error.code == "forbidden":
            raise Refused(error.code, error.message) from error
        raise


def _numbered(size: int, offset: int) -> dict[str, int]:
    """Pages by number; `offset` is a multiple of `size`."""
    return {"per_page": size, "page": offset // size + 1}


def _next(answer: Answer, size: int, offset: int) -> str | None:
    return str(offset + size) if answer.next_path else None


def _read(answer: Answer, connection: Node, hidden: int) -> Happenings:
    info = connection["pageInfo"]
    return Happenings(
        Page(answer.asked_at),
        info["endCursor"] if info["hasNextPage"] else None,
        hidden=hidden,
        seconds=answer.seconds,
        cost=answer.cost,
        total=connection["totalCount"],
    )


def _reaching(read: Happenings) -> Happenings:
    read.oldest = min((row.created_at for row in read.page.feed), default=None)
    return read


def _push_id(repository: RepositoryRef, ref: str, before: str, head: str) -> str:
    return f"PushEvent_{repository.github_id}_{ref}_{before}_{head}"


def _time(value: str) -> datetime:
    return datetime.fromisoformat(value)


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
