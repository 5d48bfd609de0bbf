"""Resolvers of timeline events. `data` of an event holds the fields that are specific to its type."""

from collections.abc import Callable
from typing import Any

from sandbox.github.graphql.fields.resolvers import field
from sandbox.github.world.accounts import Account
from sandbox.github.world.commits import Commit
from sandbox.github.world.threads import Thread, TimelineEvent

# --- timeline events: `data` holds what only one kind has


def event_field(names: str, value: Callable[[TimelineEvent], Any]) -> None:
    """Registers `value` as the resolver of one or more fields. `names` holds their `Type.field`, separated by
    spaces.
    """
    field(*names.split())(lambda source, _info, **_args: value(source))


def account_field(key: str) -> Callable[[TimelineEvent], Any]:
    """Returns a resolver for the account that `data` holds under `key`. The resolver returns None if the account is
    deleted.
    """

    def value(event: TimelineEvent) -> Any:
        someone = event.data.get(key)
        return None if someone is None or someone.deleted else someone

    return value


def data_field(key: str, otherwise: Any = None) -> Callable[[TimelineEvent], Any]:
    return lambda event: event.data.get(key, otherwise)


def commit_field(key: str) -> Callable[[TimelineEvent], Commit | None]:
    return lambda event: event.repository.git.commit(event.data[key]) if event.data.get(key) else None


def the_thread(event: TimelineEvent) -> Thread:
    return event.thread


def assigned_user(event: TimelineEvent) -> Account | None:
    assignee = account_field("assignee")(event)
    return assignee if assignee is not None and assignee.typename == "User" else None


def crosses(event: TimelineEvent) -> bool:
    source = event.data.get("source") or event.data.get("subject")
    return source is not None and source.repository is not event.repository


event_field("LabeledEvent.label UnlabeledEvent.label", data_field("label"))
event_field("AssignedEvent.assignee UnassignedEvent.assignee", account_field("assignee"))
event_field("AssignedEvent.user UnassignedEvent.user", assigned_user)
event_field("ClosedEvent.closer", data_field("closer"))
event_field("ClosedEvent.stateReason ReopenedEvent.stateReason", data_field("state_reason"))
event_field("MergedEvent.commit ReferencedEvent.commit", commit_field("oid"))
event_field("MergedEvent.mergeRefName", lambda event: event.data["merge_ref_name"])
event_field("RenamedTitleEvent.previousTitle", data_field("previous_title"))
event_field("RenamedTitleEvent.currentTitle", data_field("current_title"))
event_field("MilestonedEvent.milestoneTitle DemilestonedEvent.milestoneTitle", data_field("milestone_title"))
event_field("CrossReferencedEvent.source ConnectedEvent.source DisconnectedEvent.source", data_field("source"))
event_field("CrossReferencedEvent.referencedAt", lambda event: event.created_at)
event_field("CrossReferencedEvent.willCloseTarget", data_field("will_close_target", False))
event_field(
    "CrossReferencedEvent.isCrossRepository ConnectedEvent.isCrossRepository DisconnectedEvent.isCrossRepository "
    "ReferencedEvent.isCrossRepository MarkedAsDuplicateEvent.isCrossRepository "
    "UnmarkedAsDuplicateEvent.isCrossRepository",
    crosses,
)
event_field("ReferencedEvent.commitRepository", lambda event: event.repository)
event_field("ReferencedEvent.isDirectReference", data_field("is_direct_reference", True))
event_field("LockedEvent.lockReason", data_field("lock_reason"))
event_field("TransferredEvent.fromRepository", data_field("from_repository"))
event_field(
    "ReviewRequestedEvent.requestedReviewer ReviewRequestRemovedEvent.requestedReviewer", account_field("reviewer")
)
event_field("ReviewDismissedEvent.review", data_field("review"))
event_field("ReviewDismissedEvent.previousReviewState", data_field("previous_review_state"))
event_field("ReviewDismissedEvent.dismissalMessage", data_field("dismissal_message"))
event_field("HeadRefDeletedEvent.headRefName", lambda event: event.thread.head_ref_name)  # type: ignore[attr-defined]
event_field("HeadRefDeletedEvent.headRef", lambda _event: None)
event_field("BaseRefDeletedEvent.baseRefName", lambda event: event.thread.base_ref_name)  # type: ignore[attr-defined]
event_field("HeadRefForcePushedEvent.beforeCommit BaseRefForcePushedEvent.beforeCommit", commit_field("before_oid"))
event_field("HeadRefForcePushedEvent.afterCommit BaseRefForcePushedEvent.afterCommit", commit_field("after_oid"))
event_field("HeadRefForcePushedEvent.ref BaseRefForcePushedEvent.ref", lambda _event: None)
event_field("BaseRefChangedEvent.previousRefName", data_field("previous_ref_name"))
event_field("BaseRefChangedEvent.currentRefName", data_field("current_ref_name"))
event_field("ConvertedToDiscussionEvent.discussion", data_field("discussion"))
event_field("SubIssueAddedEvent.subIssue SubIssueRemovedEvent.subIssue", data_field("sub_issue"))
event_field("ParentIssueAddedEvent.parent ParentIssueRemovedEvent.parent", data_field("parent"))
event_field("AutoMergeDisabledEvent.reason RemovedFromMergeQueueEvent.reason", data_field("reason"))
event_field("DeployedEvent.deployment", data_field("deployment"))
event_field(
    "AddedToProjectV2Event.project RemovedFromProjectV2Event.project ProjectV2ItemStatusChangedEvent.project "
    "ConvertedFromDraftEvent.project",
    data_field("project"),
)
event_field("ProjectV2ItemStatusChangedEvent.previousStatus", data_field("previous_status", ""))
event_field("ProjectV2ItemStatusChangedEvent.status", data_field("status", ""))
event_field(
    "IssueTypeAddedEvent.issueType IssueTypeChangedEvent.issueType IssueTypeRemovedEvent.issueType",
    data_field("issue_type"),
)
event_field("IssueTypeChangedEvent.prevIssueType", data_field("previous_issue_type"))
event_field("BlockedByAddedEvent.blockingIssue BlockedByRemovedEvent.blockingIssue", data_field("blocking_issue"))
event_field("BlockingAddedEvent.blockedIssue BlockingRemovedEvent.blockedIssue", data_field("blocked_issue"))
event_field("UserBlockedEvent.subject", data_field("blocked"))
event_field("UserBlockedEvent.blockDuration", data_field("block_duration", "PERMANENT"))
event_field("AutomaticBaseChangeFailedEvent.oldBase AutomaticBaseChangeSucceededEvent.oldBase", data_field("old_base"))
event_field("AutomaticBaseChangeFailedEvent.newBase AutomaticBaseChangeSucceededEvent.newBase", data_field("new_base"))
event_field("CommentDeletedEvent.deletedCommentAuthor", account_field("deleted_comment_author"))
event_field("MarkedAsDuplicateEvent.canonical UnmarkedAsDuplicateEvent.canonical", data_field("canonical"))
event_field("MarkedAsDuplicateEvent.duplicate UnmarkedAsDuplicateEvent.duplicate", the_thread)
event_field(
    "LabeledEvent.labelable UnlabeledEvent.labelable AssignedEvent.assignable UnassignedEvent.assignable "
    "ClosedEvent.closable ReopenedEvent.closable LockedEvent.lockable UnlockedEvent.lockable "
    "RenamedTitleEvent.subject MilestonedEvent.subject DemilestonedEvent.subject ReferencedEvent.subject "
    "ConnectedEvent.subject DisconnectedEvent.subject CrossReferencedEvent.target SubscribedEvent.subscribable "
    "UnsubscribedEvent.subscribable PinnedEvent.issue UnpinnedEvent.issue TransferredEvent.issue",
    the_thread,
)
event_field(
    "MergedEvent.pullRequest ReviewRequestedEvent.pullRequest ReviewRequestRemovedEvent.pullRequest "
    "ReviewDismissedEvent.pullRequest ReadyForReviewEvent.pullRequest ConvertToDraftEvent.pullRequest "
    "HeadRefDeletedEvent.pullRequest HeadRefForcePushedEvent.pullRequest HeadRefRestoredEvent.pullRequest "
    "BaseRefChangedEvent.pullRequest BaseRefDeletedEvent.pullRequest BaseRefForcePushedEvent.pullRequest",
    the_thread,
)
