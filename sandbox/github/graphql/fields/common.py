"""Resolvers that are the same for every type with that field, and fields with a constant value."""

from typing import Any

from sandbox.github.graphql.context import Info
from sandbox.github.graphql.fields.resolvers import constant
from sandbox.github.world.accounts import Account

DATABASE_ID_LIMIT = 2**31 - 1


# --- any object


def node_id(source: Any, info: Info) -> str:
    identifier: str = source.node_id(info.context.new_ids)
    return identifier


def database_id(source: Any, _info: Info) -> int | None:
    number: int = source.database_id
    return number if number <= DATABASE_ID_LIMIT else None


def full_database_id(source: Any, _info: Info) -> str:
    return str(source.database_id)


def viewer_did_author(source: Any, info: Info) -> bool:
    return source.account is info.context.viewer


def includes_created_edit(source: Any, _info: Info) -> bool:
    return source.last_edited_at is not None


def editor(source: Any, _info: Info) -> Account | None:
    return source.author if source.last_edited_at else None


constant(False, *(f"{each}.createdViaEmail" for each in ("Issue", "PullRequest", "IssueComment", "PullRequestReview")))
constant(False, "PullRequestReviewComment.createdViaEmail", "Discussion.createdViaEmail")
constant(False, "DiscussionComment.createdViaEmail", "DiscussionComment.isMinimized")
constant(None, "DiscussionComment.minimizedReason")
constant(False, *(f"{each}.isMinimized" for each in ("IssueComment", "PullRequestReview", "PullRequestReviewComment")))
constant(None, *(f"{each}.minimizedReason" for each in ("IssueComment", "PullRequestReview")))
constant(None, "PullRequestReviewComment.minimizedReason", "Issue.parent", "Mannequin.claimant", "Mannequin.email")
constant("LINE", "PullRequestReviewComment.subjectType", "PullRequestReviewThread.subjectType")
constant(None, "PullRequestReviewComment.startLine", "PullRequestReviewComment.originalStartLine")
constant(False, "PullRequestReviewThread.isResolved", "PullRequestReviewThread.isCollapsed")
constant(None, "PullRequestReviewThread.resolvedBy")
constant(False, "Repository.isDisabled", "Repository.isLocked", "Repository.isMirror", "Repository.isTemplate")
constant(False, "AddedToProjectV2Event.wasAutomated", "RemovedFromProjectV2Event.wasAutomated")
constant(False, "ProjectV2ItemStatusChangedEvent.wasAutomated", "ConvertedFromDraftEvent.wasAutomated")
constant(None, "Issue.issueType")
constant(False, "User.isSiteAdmin", "PullRequest.maintainerCanModify")
