"""Requests for events."""

from collections.abc import Iterable

import orjson

from sandbox.github.exchange.requests import Entry, Request

OPERATIONS = ("Stargazers", "Forks", "CommitHistory")
ROUTES = ("events", "activity", "releases", "stargazers/history")


def route(entry: Entry | Request) -> str:
    path = entry.path.partition("?")[0]
    return next((each for each in ROUTES if path.endswith(f"/{each}") and entry.kind == "rest"), entry.operation)


def of_events(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if route(entry) in (*OPERATIONS, *ROUTES)]


def page(entry: Entry) -> bytes:
    """Returns what a request for events asks for, without the moment since when."""
    variables = {name: value for name, value in entry.variables.items() if name != "since"}
    return orjson.dumps([entry.operation, entry.path, variables], option=orjson.OPT_SORT_KEYS)
