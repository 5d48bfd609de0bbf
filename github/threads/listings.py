"""Reads listings of threads: the numbers and times of a hundred threads for one point, without texts."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from errors import PartOver, TooLarge
from github.answers.mapping import mapped, mapped_or_none
from github.answers.reading import Answer
from github.client import GitHub
from github.clock import time
from github.nodes.actors import Node
from github.nodes.node_ids import database_id
from github.nodes.nulls import Hidden, shown
from github.nodes.pagination import leads_nowhere, next_cursor
from github.nodes.values import count, listed
from github.repositories import check_identity
from github.threads.thread_types import ThreadType
from messages import RepositoryRef
from ranges import GitHubId, Key, Positive


class Entry(NamedTuple):
    """A thread as a listing shows it."""

    node_id: Key
    github_id: GitHubId
    number: Positive
    created_at: datetime
    updated_at: datetime
    cursor: str
    comments: int | None
    """The number of comments, if the listing shows it. A new comment does not always bump its thread."""


@dataclass(slots=True)
class Listing:
    entries: list[Entry]
    total: int
    end_cursor: str | None
    """None at the end of the list."""
    asked_at: datetime
    seconds: float
    withheld: list[str] = field(default_factory=list)
    """GitHub's message for each refused thread."""
    lost: int = 0
    """Threads of the page that are null without a reason, or unreadable; 1 if the page is empty and not the last."""
    leads_nowhere: bool = False
    """Whether GitHub reports a next page without a usable cursor: `end_cursor` is None, but the list has not ended."""

    @property
    def is_empty(self) -> bool:
        """Whether the list has no threads: GitHub counts no thread and shows no thread."""
        return self.total == 0 and not self.entries and self.end_cursor is None and not self.leads_nowhere


@mapped
async def read_listing(
    github: GitHub,
    kind: ThreadType,
    repository: RepositoryRef,
    first: int,
    after: str | None,
    *,
    by_birth: bool = False,
    comments: bool = False,
) -> Listing:
    """Returns a listing of up to 100 threads, for one point. The threads are ordered by their latest update, latest
    first. With `by_birth` they are ordered by creation, oldest first.

    With `comments`, each entry has the thread's number of comments. Threads that are unreadable, or null without a
    reason, are only counted (`Listing.lost`).
    """
    variables: dict[str, Any] = {"first": first, "after": after}
    if by_birth:
        variables["orderBy"] = {"field": "CREATED_AT", "direction": "ASC"}
    if comments:
        variables["comments"] = True
    requests = 1 + (first if comments or kind.listed_connections > 1 else 0)
    answer = await github.graphql(kind.listing, variables, requests=requests, keep_lost=True)
    return listing_of(connection_of(answer, repository), after, answer, repository)


def connection_of(answer: Answer, wanted: RepositoryRef) -> Node:
    repository = answer.data["repository"]
    if repository is not None:
        check_identity(repository, wanted)
    connection: Node | None = repository and repository["threads"]
    # That there is no such repository is an error of its own, which no answer comes with.
    refusal = answer.refusal_of("repository", "threads")
    if connection is None and refusal is not None:
        raise PartOver("forbidden", refusal, "give the token access to the repository")
    if connection is None:
        raise TooLarge("null_connection", f"GitHub left out the list of {wanted.full_name}")
    return connection


def listing_of(connection: Node, after: str | None, answer: Answer, repository: RepositoryRef) -> Listing:
    what = f"threads of {repository.full_name}"
    # A refused thread is null itself, or takes its edge along.
    found = [_edge_or_null(edge) for edge in listed(connection["edges"] or [])]
    lost = sum(not edge for edge in found) if connection["edges"] is not None else 1
    edges = shown([edge for edge in found if edge], what)
    read = [mapped_or_none(f"one of the {what}", partial(_entry, edge)) for edge in edges.nodes]
    entries = [entry for entry in read if entry is not None]
    info = connection["pageInfo"]
    end_cursor = next_cursor(info, after)
    lost += len(read) - len(entries)
    return Listing(
        entries,
        count(connection["totalCount"]) or 0,
        end_cursor,
        answer.asked_at,
        answer.seconds,
        edges.hidden,
        1 if not found and end_cursor is not None else lost,
        leads_nowhere(info, after),
    )


def _edge_or_null(edge: Any) -> Any:
    node = edge.get("node") if isinstance(edge, dict) else edge
    return node if node is None or isinstance(node, Hidden) else edge


def _entry(edge: Node) -> Entry:
    node = edge["node"]
    return Entry(
        node["id"],
        database_id(node),
        node["number"],
        time(node["createdAt"]),
        time(node["updatedAt"]),
        edge["cursor"],
        node["comments"]["totalCount"] if "comments" in node else None,
    )
