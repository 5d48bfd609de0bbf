"""Compares worlds that were generated."""

from typing import Any

from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Thread

END = "2026-03-01T12:00:00Z"


def threads(of: Repository) -> list[Thread]:
    return [*of.pull_requests.values(), *of.issues.values()]


def fingerprint(of: Repository) -> list[Any]:
    facts: list[Any] = []
    for thread in threads(of):
        facts.append(
            (thread.node_id(True), thread.title, thread.body, thread.created_at, thread.updated_at, thread.state)
        )
        facts += [(comment.database_id, comment.body, comment.created_at) for comment in thread.comments]
        facts += [(event.typename, event.database_id, event.created_at) for event in thread.events]
        if isinstance(thread, PullRequest):
            facts += [(review.database_id, review.state, review.body) for review in thread.reviews]
            facts += [(each.database_id, each.body, each.position) for each in thread.review_comments()]
    return facts
