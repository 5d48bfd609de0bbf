"""Converts the payloads of GitHub's events to the shapes that the host reads. In October 2025 GitHub removed fields
from its payloads. Older files of GH Archive still have these fields.
"""

from github.nodes.actors import Node
from rows import Json

GHOST = "ghost"


def payload_of(event: Node) -> Json:
    """Returns the payload of an event in the host's shape. `event` is from the API or from GH Archive. Raises
    `KeyError` if `event` lacks the fields of an event.
    """
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
    """Returns the fields of a thread that the event itself holds, and the state that the event's action implies.
    `feed.complete` adds the other fields from the stored thread.
    """
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


def user_shape(user: Node) -> Node:
    return {key: user.get(key) for key in ("login", "id", "avatar_url", "html_url", "type")}


_PAYLOADS = {"WatchEvent": _watch, "ForkEvent": _fork, "PullRequestEvent": _pull_request, "IssuesEvent": _issue}
