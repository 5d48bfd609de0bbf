"""Reads events outside threads from GitHub's lists (stars, forks, releases, pushes, branches).

There is one function for each list. A function sends one request, and returns the rows of a page with the cursor of the
next page. Lists are newest first. The cursor of a list with numbered pages is the number of items read. Two lists may
show the same event in different words and seconds apart. In that case, `store/feed.py` makes one row of the event.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from errors import PartOver
from github.answers.mapping import mapped
from github.answers.refusals import InvalidCursor
from github.client import GitHub
from github.clock import of_epoch, time
from github.events.commits import HEADS, branch_and_head, push_id
from github.events.lists import EventPage, Item, ask, ask_rest, numbered, of_connection, of_numbers
from github.events.payloads import GHOST, payload_of, user_shape
from github.nodes.actors import Node
from github.nodes.node_ids import database_id
from github.nodes.nulls import shown
from github.nodes.pagination import end_cursor, has_next
from github.nodes.values import count, github_id, text, truth
from messages import RepositoryRef
from ranges import LONGEST_KEY
from rows import GHOST_ID, EventSource, FeedEvent, Page, StarDay

WEEKS_A_PAGE = 30
_PUSHES = frozenset({"push", "force_push", "pr_merge", "merge_queue_merge"})
_OF_BRANCHES = {"branch_creation": "CreateEvent", "branch_deletion": "DeleteEvent"}


@mapped
async def read_stargazers(github: GitHub, repository: RepositoryRef, first: int, after: str | None) -> EventPage:
    """Returns a page of the stars that still exist. If GitHub hides the stargazers, the page can be empty although
    GitHub counts stars.
    """
    answer = await ask(github, "Stargazers", repository, "stargazers", {"first": first, "after": after})
    found = answer.data["repository"]
    edges = shown(found["stargazers"]["edges"], "stargazers")
    read = of_connection(answer, found["stargazers"], edges)
    counts = (count(found["stargazerCount"]), read.total)
    read.total = max((each for each in counts if each is not None), default=None)
    return _add_events(read, edges.nodes, lambda edge: _star(edge, repository))


def _star(edge: Node, repository: RepositoryRef) -> FeedEvent:
    user, at = edge["node"], time(edge["starredAt"])
    payload = {"action": "started", "actor": {"login": user["login"], "avatar_url": user["avatarUrl"]}}
    event_id = f"WatchEvent_{repository.github_id}_{database_id(user)}_{_epoch(at)}"
    return FeedEvent(event_id, "WatchEvent", user["login"], at, payload, "stargazers")


@mapped
async def read_star_history(github: GitHub, repository: RepositoryRef, weeks: int) -> EventPage:
    """Returns a page with the number of new stars of each day, newest week first. `weeks` is the number of weeks on the
    earlier pages. Future days are left out. The number of the present day may still grow.
    """
    page = weeks // WEEKS_A_PAGE + 1
    answer = await ask_rest(github, repository, "stargazers/history", {"per_page": WEEKS_A_PAGE, "page": page})
    today = answer.asked_at.date()
    read = of_numbers(answer, WEEKS_A_PAGE, (page - 1) * WEEKS_A_PAGE)
    for week in answer.data:
        sunday = of_epoch(week["week"]).date()
        days = [StarDay(sunday + timedelta(days=place), stars) for place, stars in enumerate(week["days"])]
        read.page.star_days += [each for each in days if each.day <= today]
    read.go_down_to({str(week["week"]): of_epoch(week["week"]) for week in answer.data})
    read.oldest = read.depth
    return read


@mapped
async def read_forks(github: GitHub, repository: RepositoryRef, first: int, after: str | None) -> EventPage:
    """Returns a page of the forks that still exist. A fork's owner counts as the actor. If the owner is an
    organization, only the events API names the person who forked.
    """
    answer = await ask(github, "Forks", repository, "forks", {"first": first, "after": after})
    found = answer.data["repository"]
    forks = shown(found["forks"]["nodes"], "forks")
    read = of_connection(answer, found["forks"], forks)
    read.branch, read.head = branch_and_head(found)
    return _add_events(read, forks.nodes, _fork_of_node)


def _fork_of_node(node: Node) -> FeedEvent:
    owner = {"login": text(node["owner"]["login"]), "id": database_id(node["owner"])}
    forkee = {"id": database_id(node), "name": node["name"], "full_name": node["nameWithOwner"], "owner": owner}
    return _fork(forkee, node["owner"]["avatarUrl"], node["createdAt"])


@mapped
async def read_forks_by_rest(github: GitHub, repository: RepositoryRef, size: int, offset: int) -> EventPage:
    """Returns a page of forks as `read_forks` does, but by REST, for repositories whose GraphQL list GitHub refuses or
    cannot answer.
    """
    answer = await ask_rest(github, repository, "forks", {"sort": "newest", **numbered(size, offset)})
    read = of_numbers(answer, size, offset)
    return _add_events(read, answer.data, _fork_of_rest)


def _fork_of_rest(fork: Node) -> FeedEvent:
    owner = {"login": text(fork["owner"]["login"]), "id": github_id(fork["owner"]["id"])}
    names = {key: fork[key] for key in ("name", "full_name")}
    forkee = {"id": github_id(fork["id"]), **names, "owner": owner}
    return _fork(forkee, fork["owner"]["avatar_url"], fork["created_at"])


def _fork(forkee: Node, avatar_url: str | None, created_at: str) -> FeedEvent:
    login: str = forkee["owner"]["login"]
    payload = {"forkee": forkee, "actor": {"login": login, "avatar_url": avatar_url}}
    return FeedEvent(f"ForkEvent_fork_{forkee['id']}", "ForkEvent", login, time(created_at), payload, "forks")


@mapped
async def read_releases(github: GitHub, repository: RepositoryRef, size: int, offset: int) -> EventPage:
    """Returns a page of the published releases, in order of creation. The list has to be read to its end, because a
    draft may be published long after its creation.
    """
    answer = await ask_rest(github, repository, "releases", numbered(size, offset))
    read = of_numbers(answer, size, offset)
    read.add_each(answer.data, _release_of_rest)
    return read


def _release_of_rest(release: Node) -> Item:
    event = None
    if not truth(release["draft"]) and release["published_at"]:
        kept = ("tag_name", "name", "body", "draft", "prerelease", "created_at", "published_at", "html_url")
        author, shape = release.get("author"), {key: release.get(key) for key in kept}
        event = _release({"id": github_id(release["id"]), **shape, "author": author and user_shape(author)})
    return Item(str(release["id"]), time(release["created_at"]), event)


@mapped
async def read_releases_by_graphql(
    github: GitHub, repository: RepositoryRef, first: int, after: str | None
) -> EventPage:
    """Returns a page of releases as `read_releases` does, but by GraphQL, for repositories whose REST list GitHub
    refuses or cannot answer. If the author is a bot, GraphQL does not name the author.
    """
    answer = await ask(github, "Releases", repository, "releases", {"first": first, "after": after})
    connection = answer.data["repository"]["releases"]
    releases = shown(connection["nodes"], "releases")
    read = of_connection(answer, connection, releases)
    read.add_each(releases.nodes, _release_of_node)
    return read


def _release_of_node(node: Node) -> Item:
    event = None if truth(node["isDraft"]) or not node["publishedAt"] else _release(_release_shape(node))
    return Item(node["id"], time(node["createdAt"]), event)


def _release_shape(node: Node) -> Node:
    """Returns the release in REST's shape. The author is `ghost` if GraphQL names no author, because the author is a
    bot or a deleted account.
    """
    author = node["author"]
    user: Node = {"login": GHOST, "id": GHOST_ID, "avatar_url": None, "html_url": None, "type": "User"}
    if author is not None:
        user |= {"login": author["login"], "id": author["databaseId"]}
        user |= {"avatar_url": author["avatarUrl"], "html_url": author["url"]}
    return {
        "id": database_id(node),
        "tag_name": node["tagName"],
        "name": node["name"],
        "body": node["description"],
        "draft": node["isDraft"],
        "prerelease": node["isPrerelease"],
        "created_at": node["createdAt"],
        "published_at": node["publishedAt"],
        "html_url": node["url"],
        "author": user,
    }


def _release(shape: Node) -> FeedEvent:
    login = shape["author"]["login"] if shape["author"] else GHOST
    payload = {"action": "published", "release": shape}
    at = time(shape["published_at"])
    return FeedEvent(f"ReleaseEvent_release_{shape['id']}", "ReleaseEvent", login, at, payload, "releases")


@mapped
async def read_activity(github: GitHub, repository: RepositoryRef, size: int, after: str | None) -> EventPage:
    """Returns a page of the last year's pushes, creations of branches and deletions of branches. Raises `InvalidCursor`
    if GitHub no longer accepts the cursor `after`.
    """
    query: dict[str, Any] = {"per_page": size, "direction": "desc"} | ({"after": after} if after else {})
    try:
        answer = await ask_rest(github, repository, "activity", query)
    except PartOver as error:
        if after and error.code == "http_422":
            raise InvalidCursor("invalid_cursor", error.message) from error
        raise
    # Only the cursor: the link names the repository as it is called today.
    link = parse_qs(urlsplit(answer.next_path or "").query)
    read = EventPage(Page(answer.asked_at), seconds=answer.seconds, number=len(answer.data))
    read.more, read.cursor = bool(answer.next_path), link.get("after", [None])[0]
    read.add_each(answer.data, lambda each: Item(str(each["id"]), time(each["timestamp"]), _activity(each, repository)))
    read.oldest = read.depth
    return read


def _activity(activity: Node, repository: RepositoryRef) -> FeedEvent | None:
    at, ref, kind = time(activity["timestamp"]), text(activity["ref"]), activity["activity_type"]
    login = activity["actor"]["login"] if activity["actor"] else GHOST
    source: EventSource = "activity"
    if kind in _PUSHES:
        before, head = text(activity["before"]), text(activity["after"])
        payload = {"ref": ref, "before": before, "head": head, "activity_type": kind}
        return FeedEvent(push_id(repository, ref, before, head), "PushEvent", login, at, payload, source)
    if kind in _OF_BRANCHES:
        event_type, payload = _OF_BRANCHES[kind], {"ref": ref.removeprefix(HEADS), "ref_type": "branch"}
        event_id = f"{event_type}_{repository.github_id}_{ref}_{_epoch(at)}"
        return FeedEvent(event_id, event_type, login, at, payload | {"full_ref": ref}, source)
    return None


@mapped
async def read_events(github: GitHub, repository: RepositoryRef, size: int, offset: int) -> EventPage:
    """Returns a page of the latest events of all types. GitHub lists at most 300 events, from the last 30 days."""
    answer = await ask_rest(github, repository, "events", numbered(size, offset))
    read = of_numbers(answer, size, offset)
    # GitHub's schema promises nothing of a payload, not even the thread that the event is of.
    return _add_events(read, answer.data, _event)


def _event(event: Node) -> FeedEvent:
    actor, event_type, payload = event["actor"], text(event["type"]), payload_of(event)
    if not all(len(str(payload.get(name))) <= LONGEST_KEY for name in ("head", "after")):
        raise ValueError("the commit of a push has no such name")
    login = (actor or {}).get("login") or GHOST
    event_id = f"{event_type}_{github_id(event['id'])}"
    return FeedEvent(event_id, event_type, login, time(event["created_at"]), payload, "events")


@mapped
async def find_place_behind(
    github: GitHub, repository: RepositoryRef, operation: Literal["StargazerPlace", "ForkPlace"], after: str | None
) -> tuple[str | None, bool]:
    """Skips one item of a list of stars or of forks. Returns the cursor behind the item that follows `after`, and
    whether the list has more items. `operation` chooses the list. The item is not loaded, because GitHub may be unable
    to load it.
    """
    field = "stargazers" if operation == "StargazerPlace" else "forks"
    answer = await ask(github, operation, repository, field, {"after": after})
    info = answer.data["repository"][field]["pageInfo"]
    return end_cursor(info), has_next(info)


def _add_events(read: EventPage, things: Sequence[Any], event_of: Callable[[Any], FeedEvent]) -> EventPage:
    """Adds the events of the list's items to the page, and returns the page. The list must be ordered by the times of
    its events, and each item has one.
    """
    read.add_each(things, lambda thing: Item.of(event_of(thing)))
    read.oldest = read.depth
    return read


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
