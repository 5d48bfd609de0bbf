"""Reads a thread's timeline by REST, for events that GraphQL cannot answer.

Both APIs lead to the same rows, because REST's `node_id` is GraphQL's `id`. An event makes no row if REST shows only a
part of the event.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from github.answers.mapping import mapped
from github.client import GitHub
from github.clock import time
from github.nodes.actors import Node, user
from github.nodes.node_ids import former_id
from github.nodes.timeline import event_of, typename_of
from github.nodes.values import listed
from github.threads.thread_types import ThreadType
from messages import RepositoryRef
from rows import GHOST_ID, Closing, Page, Part, TimelineEvent

ITEMS_A_PAGE = 100


@dataclass(slots=True)
class RestTimeline:
    """One page of the timeline, as REST lists it."""

    page: Page
    seen: list[str] = field(default_factory=list)
    """One key for each item of the page."""
    missing: dict[str, int] = field(default_factory=dict)
    """Events on the page that cannot be stored, by item type."""
    next_path: str | None = None


@mapped
async def read_rest_timeline(
    github: GitHub, repository: RepositoryRef, kind: ThreadType, part: Part, item_types: Collection[str]
) -> RestTimeline:
    """Returns the page of the timeline at the part's cursor, with rows for the events of `item_types`. Raises as
    `GitHub.rest` does.
    """
    first = f"/repositories/{repository.github_id}/issues/{part.number}/timeline?per_page={ITEMS_A_PAGE}"
    answer = await github.rest(part.cursor or first)
    read = RestTimeline(Page(answer.asked_at, kind.kind, account=answer.account), next_path=answer.next_path)
    wanted = {event_of(each): each for each in item_types}
    for item in listed(answer.data):
        name = str(item.get("event"))
        read.seen.append(f"{name} {item.get('node_id') or item.get('id') or item.get('created_at')}")
        if name not in wanted:
            continue
        if name == "closed" and kind.kind == "issue" and part.parent is not None:
            actor = user(item.get("actor"), read.page)
            read.page.closings.append(Closing(part.parent, time(item["created_at"]), actor))
        row = _row(item, typename_of(wanted[name]), kind, part)
        read.missing[wanted[name]] = read.missing.get(wanted[name], 0) + (row is None)
        if row is not None:
            read.page.events.append(row)
    return read


def _row(item: Node, typename: str, kind: ThreadType, part: Part) -> TimelineEvent | None:
    name = str(item["event"])
    payload = _PAYLOADS[name](item) if name in _PAYLOADS else None
    if payload is None or not item.get("node_id"):
        return None
    pull_request, issue = (part.parent, None) if kind.kind == "pull_request" else (None, part.parent)
    return TimelineEvent(
        item["node_id"],
        pull_request,
        issue,
        name,
        _login(item.get("actor")),
        time(item["created_at"]),
        payload,
        former_id(typename, item["node_id"]),
    )


def _login(account: Node | None) -> str | None:
    """Returns the account's login. Returns None for a deleted account, which REST shows as null or as the account
    `ghost`.
    """
    return account["login"] if account and account["id"] != GHOST_ID else None


def _upper(word: str | None) -> str | None:
    """Returns the value of GraphQL's enum for a word of REST's, such as `TOO_HEATED` for `too heated`."""
    return word.upper().replace(" ", "_").replace("-", "_") if word else None


def _label(item: Node) -> dict[str, Any]:
    return {"label": {"name": item["label"]["name"], "color": item["label"]["color"]}}


def _assignee(item: Node) -> dict[str, Any]:
    return {"assignee": _login(item["assignee"])}


def _milestone(item: Node) -> dict[str, Any]:
    return {"milestone_title": item["milestone"]["title"]}


def _requested_reviewer(item: Node) -> dict[str, Any]:
    team = item.get("requested_team")
    return {"requested_reviewer": f"team:{team['slug']}" if team else _login(item.get("requested_reviewer"))}


def _closing(item: Node) -> dict[str, Any] | None:
    """Returns the payload of a `closed` event. Returns None if the event names no commit, because REST does not say
    whether a pull request closed the thread.
    """
    if not item.get("commit_id"):
        return None
    closer = {"type": "Commit", "oid": item["commit_id"]}
    return {"state_reason": _upper(item.get("state_reason")), "closer": closer}


def _nothing(_item: Node) -> dict[str, Any]:
    return {}


_PAYLOADS: Mapping[str, Callable[[Node], dict[str, Any] | None]] = {
    "labeled": _label,
    "unlabeled": _label,
    "assigned": _assignee,
    "unassigned": _assignee,
    "milestoned": _milestone,
    "demilestoned": _milestone,
    "renamed": lambda item: {"previous_title": item["rename"]["from"], "current_title": item["rename"]["to"]},
    "locked": lambda item: {"lock_reason": _upper(item.get("lock_reason"))},
    "reopened": lambda item: {"state_reason": _upper(item.get("state_reason"))},
    "closed": _closing,
    "review_requested": _requested_reviewer,
    "review_request_removed": _requested_reviewer,
    **dict.fromkeys(
        (
            *("unlocked", "pinned", "unpinned", "ready_for_review", "convert_to_draft", "head_ref_restored"),
            *("added_to_merge_queue", "deployment_environment_changed", "added_to_project", "removed_from_project"),
            *("moved_columns_in_project", "converted_note_to_issue"),
        ),
        _nothing,
    ),
}
"""Event -> the function that returns its payload as `nodes.timeline` makes it of GraphQL's fields, or None if REST
lacks a part of the payload."""
