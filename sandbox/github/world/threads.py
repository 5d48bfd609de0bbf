"""Issues, and everything that issues share with pull requests: comments, labels, timelines, and changes.

Attributes are named as in GitHub's GraphQL, in snake case, so that most fields need no resolver. Every change holds the
world's lock and sets `updated_at` as GitHub does. A change that creates an object returns the object.
"""

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, ClassVar

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account, present
from sandbox.github.world.clock import Stamp
from sandbox.github.world.commits import RepositoryCode
from sandbox.github.world.ground import Numbered
from sandbox.github.world.labels import Label, Milestone
from sandbox.github.world.written import Written

created = attrgetter("created_at", "database_id")


def by_place(thing: Any) -> tuple[Stamp, int, str]:
    """Returns the key by which timelines are sorted. The key ends with the type, because items of different types may
    have the same id.
    """
    return thing.created_at, thing.database_id, thing.typename


@dataclass(slots=True, eq=False, repr=False)
class TimelineEvent:
    """An event in a timeline. `typename` is its type. `data` holds the fields that are specific to the type, such as
    `label`.
    """

    typename: str
    thread: "Thread"
    database_id: int
    account: Account | None
    created_at: Stamp
    data: dict[str, Any] = field(default_factory=dict)

    def node_id(self, new: bool) -> str:
        if new:
            thread = self.thread
            return node_ids.new(self.typename, thread.repository.database_id, thread.database_id, self.database_id)
        return node_ids.old(self.typename, self.database_id)

    @property
    def repository(self) -> "RepositoryIssues":
        return self.thread.repository

    @property
    def actor(self) -> Account | None:
        return present(self.account)

    @property
    def resource_path(self) -> str:
        return f"{self.thread.resource_path}#event-{self.database_id}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"


@dataclass(slots=True, eq=False, repr=False)
class IssueComment(Written):
    """A comment in the conversation of an issue or a pull request."""

    typename: ClassVar[str] = "IssueComment"

    thread: "Thread" = field(kw_only=True)

    @property
    def repository(self) -> "RepositoryIssues":
        return self.thread.repository

    @property
    def pull_request(self) -> "Thread | None":
        return self.thread if self.thread.typename == "PullRequest" else None

    @property
    def resource_path(self) -> str:
        return f"{self.thread.resource_path}#issuecomment-{self.database_id}"

    def edit(self, body: str, *, bump: bool = True) -> None:
        """Changes the text. `bump` says whether the comment's `updated_at` moves. The thread's `updated_at` stays."""
        with self.repository.changed():
            self.body = body
            if bump:
                self.updated_at = self.last_edited_at = self.world.clock.stamp()

    def delete(self, *, by: Account | None = None) -> None:
        """Deletes the comment. The thread's `updated_at` stays. If `by` is given and is not the comment's author, the
        thread gets a `CommentDeletedEvent`.
        """
        with self.repository.changed():
            self.thread.comments.remove(self)
            self.repository.issue_comments.pop(self.database_id)
            self.world.forget(self)
            if by is not None and by is not self.account:
                self.thread.event("CommentDeletedEvent", by, bump=False, deleted_comment_author=self.account)


@dataclass(slots=True, eq=False, repr=False)
class Thread(Written):
    """The common base of issues and pull requests. `comments` are in order of creation, `events` in the order in which
    they were added.
    """

    repo: "RepositoryIssues" = field(kw_only=True)
    number: int = field(kw_only=True)
    title: str = field(kw_only=True)
    state: str = field(kw_only=True)
    closed_at: Stamp | None = field(default=None, kw_only=True)
    locked: bool = field(default=False, kw_only=True)
    active_lock_reason: str | None = field(default=None, kw_only=True)
    labels: list[Label] = field(default_factory=list, kw_only=True)
    assignees: list[Account] = field(default_factory=list, kw_only=True)
    milestone: Milestone | None = field(default=None, kw_only=True)
    comments: list[IssueComment] = field(default_factory=list, kw_only=True)
    events: list[TimelineEvent] = field(default_factory=list, kw_only=True)

    @property
    def repository(self) -> "RepositoryIssues":
        return self.repo

    @property
    def closed(self) -> bool:
        return self.state != "OPEN"

    def bump(self) -> None:
        self.updated_at = self.world.clock.stamp()

    def event(
        self, typename: str, actor: Account | None, *, bump: bool = True, at: Stamp | None = None, **data: Any
    ) -> TimelineEvent:
        """Adds an event of any type to the timeline, such as `event("PinnedEvent", somebody)`, and returns it. `at` is
        its time, by default now. `data` are the fields of the event's type. `bump` says whether the thread's
        `updated_at` becomes the present time.
        """
        with self.repository.changed():
            now = at or self.world.clock.stamp()
            event = TimelineEvent(typename, self, self.world.next_id(typename), actor, now, data)
            self.events.append(event)
            self.world.remember(event)
            if bump:
                self.bump()
            return event

    def edit(self, *, title: str | None = None, body: str | None = None, by: Account | None = None) -> None:
        """Changes the title or the text. A new title adds a `RenamedTitleEvent` to the timeline."""
        with self.repository.changed():
            if title is not None and title != self.title:
                self.event("RenamedTitleEvent", by or self.account, previous_title=self.title, current_title=title)
                self.title = title
            if body is not None:
                self.body = body
                self.last_edited_at = self.world.clock.stamp()
            self.bump()

    def comment(
        self,
        author: Account | None,
        body: str,
        *,
        bump: bool = True,
        database_id: int | None = None,
        at: Stamp | None = None,
    ) -> IssueComment:
        """Adds a comment and returns it. If `bump` is False, the thread's `updated_at` stays, as it sometimes does on
        GitHub.
        """
        with self.repository.changed():
            at = at or self.world.clock.stamp()
            number = database_id or self.world.next_id("IssueComment")
            comment = IssueComment(number, author, "NONE", body, at, at, thread=self, modern=self.modern)
            self.repository.add_issue_comment(comment)
            if bump:
                self.bump()
            return comment

    def label(self, label: Label | str, by: Account | None = None) -> Label:
        with self.repository.changed():
            named = self.repository.label(label) if isinstance(label, str) else label
            if named not in self.labels:
                self.labels.append(named)
                self.event("LabeledEvent", by or self.account, label=named)
            return named

    def unlabel(self, label: Label | str, by: Account | None = None) -> None:
        with self.repository.changed():
            named = self.repository.label(label) if isinstance(label, str) else label
            self.labels.remove(named)
            self.event("UnlabeledEvent", by or self.account, label=named)

    def assign(self, account: Account, by: Account | None = None) -> None:
        with self.repository.changed():
            self.assignees.append(account)
            self.event("AssignedEvent", by or self.account, assignee=account)

    def unassign(self, account: Account, by: Account | None = None) -> None:
        with self.repository.changed():
            self.assignees.remove(account)
            self.event("UnassignedEvent", by or self.account, assignee=account)

    def set_milestone(self, milestone: Milestone | None, by: Account | None = None) -> None:
        with self.repository.changed():
            if self.milestone is not None:
                self.event("DemilestonedEvent", by or self.account, milestone_title=self.milestone.title)
            self.milestone = milestone
            if milestone is not None:
                self.event("MilestonedEvent", by or self.account, milestone_title=milestone.title)

    def lock(self, reason: str | None = None, by: Account | None = None) -> None:
        with self.repository.changed():
            self.locked, self.active_lock_reason = True, reason
            self.event("LockedEvent", by or self.account, lock_reason=reason)

    def unlock(self, by: Account | None = None) -> None:
        with self.repository.changed():
            self.locked, self.active_lock_reason = False, None
            self.event("UnlockedEvent", by or self.account)

    def close(self, by: Account | None = None, **data: Any) -> None:
        """Closes the thread. `data` are fields of the `ClosedEvent`: `closer` is the pull request that closed an issue,
        `state_reason` is the reason for closing, such as `NOT_PLANNED`.
        """
        with self.repository.changed():
            self.state, self.closed_at = "CLOSED", self.world.clock.stamp()
            self.event("ClosedEvent", by or self.account, **data)

    def reopen(self, by: Account | None = None) -> None:
        with self.repository.changed():
            self.state, self.closed_at = "OPEN", None
            self.event("ReopenedEvent", by or self.account)

    def delete(self) -> None:
        """Deletes the thread and everything in it."""
        with self.repository.changed():
            self.repository.drop(self)

    def children(self) -> Iterator[Numbered]:
        """Yields every child that has a node id. Deleting the thread deletes these children, too."""
        yield from self.comments
        yield from self.events


@dataclass(slots=True, eq=False, repr=False)
class Issue(Thread):
    typename: ClassVar[str] = "Issue"

    state_reason: str | None = field(default=None, kw_only=True)
    closed_by: list[Thread] = field(default_factory=list, kw_only=True)
    """Pull requests that close it, merged or not: `closedByPullRequestsReferences`."""
    is_pinned: bool = field(default=False, kw_only=True)

    @property
    def resource_path(self) -> str:
        return f"{self.repo.resource_path}/issues/{self.number}"

    def close(self, by: Account | None = None, **data: Any) -> None:
        with self.repository.changed():
            self.state_reason = data.setdefault("state_reason", "COMPLETED")
            Thread.close(self, by, **data)

    def reopen(self, by: Account | None = None) -> None:
        with self.repository.changed():
            self.state_reason = "REOPENED"
            Thread.reopen(self, by)

    def transfer(self, to: "RepositoryIssues", by: Account | None = None) -> "Issue":
        """Transfers the issue with its comments to the repository `to`, and returns it. It has a new number and a new
        id there, and loses its labels and milestone.
        """
        with self.repository.changed(), to.changed():
            origin = self.repository
            origin.drop(self)
            origin.moved[self.number] = self
            self.database_id = self.world.next_id("Issue")
            self.repo, self.number, self.labels, self.milestone = to, to.next_number(), [], None
            to.add_issue(self)
            self.event("TransferredEvent", by or self.account, from_repository=origin)
            return self


@dataclass(slots=True, eq=False, repr=False)
class RepositoryIssues(RepositoryCode):
    """The issues of a repository, with its labels and milestones. Issues and milestones are in dicts by number, labels
    by name, and comments by id.
    """

    has_issues_enabled: bool = True
    issues: dict[int, Issue] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    milestones: dict[int, Milestone] = field(default_factory=dict)
    issue_comments: dict[int, IssueComment] = field(default_factory=dict)
    moved: dict[int, Issue] = field(default_factory=dict)
    """Issues that were transferred away, by their old number."""
    deleted: set[int] = field(default_factory=set)

    def issue(self, number: int) -> Issue:
        return self.issues[number]

    def next_number(self) -> int:
        """Returns the next unused number. Pull requests, issues and discussions share one sequence of numbers."""
        return max(self.used_numbers(), default=0) + 1

    def used_numbers(self) -> set[int]:
        return self.issues.keys() | self.moved.keys() | self.deleted

    def label(self, name: str, color: str = "ededed", description: str | None = None) -> Label:
        """Returns the label of that name. If the label does not exist, creates it."""
        with self.changed():
            if name not in self.labels:
                label = Label(self, self.world.next_id("Label"), name, color, description, self.created_at)
                self.labels[name] = label
                self.world.remember(label)
            return self.labels[name]

    def milestone(self, title: str, creator: Account | None = None) -> Milestone:
        """Returns the milestone of that title. If the milestone does not exist, creates it."""
        with self.changed():
            for milestone in self.milestones.values():
                if milestone.title == title:
                    return milestone
            number = len(self.milestones) + 1
            now = self.created_at
            milestone = Milestone(self, self.world.next_id("Milestone"), number, title, None, "OPEN", creator, now, now)
            self.milestones[number] = milestone
            self.world.remember(milestone)
            return milestone

    def open_issue(self, author: Account | None, title: str, body: str = "", **fields: Any) -> Issue:
        """Opens an issue now and returns it. `fields` are fields of `Issue`, such as `created_at` or `database_id`."""
        with self.changed():
            issue = Issue(**self.new_thread("Issue", author, title, body, fields))
            self.add_issue(issue)
            return issue

    def new_thread(
        self, typename: str, author: Account | None, title: str, body: str, fields: dict[str, Any]
    ) -> dict[str, Any]:
        now = fields.get("created_at") or self.world.clock.stamp()
        return {
            "database_id": fields.get("database_id") or self.world.next_id(typename),
            "number": fields.get("number") or self.next_number(),
            "repo": self,
            "account": author,
            "author_association": "NONE",
            "title": title,
            "body": body,
            "state": "OPEN",
            "created_at": now,
            "updated_at": now,
            "modern": self.modern,
        } | fields

    def add_issue(self, issue: Issue) -> None:
        self.issues[issue.number] = issue
        self.add_thread(issue)

    def add_issue_comment(self, comment: IssueComment) -> None:
        insort(comment.thread.comments, comment, key=created)
        self.issue_comments[comment.database_id] = comment
        self.world.remember(comment)

    def add_thread(self, thread: Thread) -> None:
        self.world.remember(thread)
        for child in thread.children():
            self.world.remember(child)
            if isinstance(child, IssueComment):
                self.issue_comments[child.database_id] = child

    def drop(self, thread: Thread) -> None:
        """Removes a thread with its children. The thread's number is not used again."""
        self.deleted.add(thread.number)
        self.issues.pop(thread.number, None)
        self.world.forget(thread)
        for child in thread.children():
            self.world.forget(child)
            if isinstance(child, IssueComment):
                self.issue_comments.pop(child.database_id)
