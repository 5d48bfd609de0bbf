# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""Faults of fields: GitHub refuses a field, or fails to answer it every time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.refusals import GitHubError, something_went_wrong
from sandbox.github.exchange.requests import Reply, Request, json_reply
from sandbox.github.faults.effect import Effect, names
from sandbox.github.faults.replies import gateway_error
from sandbox.github.graphql.context import Field
from sandbox.github.graphql.execution import Broken
from sandbox.github.world.accounts import Team
from sandbox.github.world.commits import Commit

BY_TOKEN = "Resource not accessible by personal access token"
BY_APP = "Resource not accessible by integration"


@dataclass
class Refused(Effect):
    """Refuses fields. A refused field is null, and an error of type `kind` has its path. If the field cannot be null,
    the node with the field is null.

    `type` and `field` are patterns (`CrossReferencedEvent`, `*`). `when`, if given, gets the field's object and value,
    and returns whether to refuse. Reported in entrius/gittensor#1582, cartography#2935 and #2008.
    """

    type: str
    field: str
    words: str = BY_TOKEN
    kind: str = "FORBIDDEN"
    when: Callable[[Any, Any], bool] | None = None
    resolves: ClassVar[bool] = True

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        if names(f"{self.type}.{self.field}", field) and (self.when is None or self.when(field.source, value)):
            raise GitHubError(self.kind, self.words)
        return value


def refused_teams() -> Refused:
    """Returns a fault that refuses teams as requested reviewers. GitHub does so for an App without the permission
    Members: read.
    """
    return Refused("*", "requestedReviewer", BY_APP, when=lambda _, value: isinstance(value, Team))


def refused_commits() -> Refused:
    """Returns a fault that refuses the commits of every pull request. GitHub does so for an App without the permission
    Contents: read (policy-bot#42).
    """
    return Refused("PullRequest", "commits", BY_APP)


@dataclass
class BrokenField(Effect):
    """Makes a field fail with "Something went wrong", however small the page is. `name` is a pattern of `Type.field`.

    If `number` is given, only the field of this thread fails. If `item_types` are given, the field fails only in
    queries for one of these types, or for all types. With `whole`, the whole answer fails. Without `whole`, the field
    is null, or the nearest field above that can be null. Reported in cli/cli#11027.
    """

    name: str
    number: int | None = None
    item_types: frozenset[str] = frozenset()
    whole: bool = True
    resolves: ClassVar[bool] = True

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        if not names(self.name, field) or self.number not in (None, getattr(field.source, "number", None)):
            return value
        asked = field.arguments.get("itemTypes")
        if self.item_types and asked and not self.item_types & set(asked):
            return value
        if self.whole:
            request.noticed.add(self.name)
            return value
        raise Broken

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        if self.name not in request.noticed:
            return reply
        broken = json_reply(reply.status, {"data": None, "errors": [{"message": something_went_wrong(request.id)}]})
        reply.body = broken.body
        return reply


@dataclass
class BrokenTimeline(BrokenField):
    """Makes a thread's timeline fail whenever one of `item_types` is requested. Without `item_types` the timeline
    always fails. With `rest`, REST's timeline of the thread `number` fails, too.
    """

    name: str = "*.timelineItems"
    rest: bool = False

    def instead(self, request: Request, budget: Budget) -> Reply | None:
        path = request.path.partition("?")[0]
        if self.rest and request.kind == "rest" and path.endswith(f"/issues/{self.number}/timeline"):
            return gateway_error(502, "We had issues producing the response to your request.", json=True)
        return None


@dataclass
class GoneCommits(Effect):
    """Makes commits disappear, as after a forced push: `Repository.object` is NOT_FOUND for them. `oids` names the
    commits. If `oids` is None, all commits are gone.
    """

    oids: frozenset[str] | None = None
    resolves: ClassVar[bool] = True

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        if field.name != "Repository.object" or not isinstance(value, Commit):
            return value
        if self.oids is None or value.oid in self.oids:
            raise GitHubError("NOT_FOUND", f"Could not resolve to a node with the oid '{value.oid}'.")
        return value
