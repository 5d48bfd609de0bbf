"""Decides which repositories and reviews the viewer may see."""

from typing import TypeVar

from sandbox.github.exchange.refusals import GitHubError
from sandbox.github.graphql.context import Context
from sandbox.github.world.identity import RepositoryIdentity
from sandbox.github.world.pull_requests import PullRequest, Review

R = TypeVar("R", bound=RepositoryIdentity)


def visible(context: Context, found: R, otherwise: str) -> R:
    if found.state == "gone" or not found.shows_to(context.viewer, context.installation):
        raise GitHubError("NOT_FOUND", otherwise)
    if found.state == "forbidden":
        raise GitHubError("FORBIDDEN", "Resource not accessible by personal access token")
    if found.state == "taken_down":
        raise GitHubError("FORBIDDEN", "Repository access blocked")
    return found


def is_here(context: Context, found: RepositoryIdentity) -> bool:
    return found.state == "here" and found.shows_to(context.viewer, context.installation)


def may_see(context: Context, review: Review) -> bool:
    return review.state != "PENDING" or review.account is context.viewer or context.world.shows_pending_reviews


def visible_reviews(context: Context, source: PullRequest) -> list[Review]:
    return [review for review in source.reviews if may_see(context, review)]
