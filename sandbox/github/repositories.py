"""A repository: its threads and discussions, its lists in the orders GitHub serves, and the states it can be in."""

from bisect import insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sandbox.github import node_ids
from sandbox.github.accounts import Account
from sandbox.github.clock import Stamp
from sandbox.github.discussions import ANSWERABLE, CATEGORIES, Discussion, DiscussionCategory
from sandbox.github.threads import (
    Commit,
    Issue,
    IssueComment,
    Label,
    Milestone,
    PullRequest,
    ReviewComment,
    Thread,
)

if TYPE_CHECKING:
    from sandbox.github.world import World

State = Literal["here", "gone", "forbidden", "taken_down"]
Listing = Literal["pull_requests", "issues", "discussions", "issue_comments", "review_comments"]
Order = Literal["created_at", "updated_at"]
ORDERS: dict[Order, Callable[[Any], tuple[Stamp, int]]] = {
    "created_at": attrgetter("created_at", "database_id"),
    "updated_at": attrgetter("updated_at", "database_id"),
}
created = ORDERS["created_at"]


@dataclass(slots=True, eq=False, repr=False)
class Repository:
    """`state`: `gone` also stands for private without access. Lists are by number or id; `ordered` sorts them."""

    typename: ClassVar[str] = "Repository"

    world: "World"
    database_id: int
    owner_account: Account
    name: str
    created_at: Stamp
    updated_at: Stamp
    description: str | None = None
    is_private: bool = False
    is_archived: bool = False
    is_empty: bool = False
    is_fork: bool = False
    has_issues_enabled: bool = True
    has_discussions_enabled: bool = False
    state: State = "here"
    default_branch: str = "main"
    parent: "Repository | None" = None
    modern: bool = False
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    discussions: dict[int, Discussion] = field(default_factory=dict)
    discussion_categories: dict[str, DiscussionCategory] = field(default_factory=dict)
    """By name."""
    labels: dict[str, Label] = field(default_factory=dict)
    milestones: dict[int, Milestone] = field(default_factory=dict)
    issue_comments: dict[int, IssueComment] = field(default_factory=dict)
    review_comments: dict[int, ReviewComment] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)
    """The default branch's history, newest first."""
    moved: dict[int, Issue] = field(default_factory=dict)
    """Issues that were transferred away, by the number they had."""
    deleted: set[int] = field(default_factory=set)
    revision: int = 0
    """Counts changes: what was computed at another revision is stale."""
    _ordered: dict[tuple[Listing, Order], tuple[int, list[Any]]] = field(default_factory=dict)

    def node_id(self, new: bool) -> str:
        if new or self.modern:
            return node_ids.new("Repository", self.database_id)
        return node_ids.old("Repository", self.database_id)

    @property
    def repository(self) -> "Repository":
        return self

    @property
    def owner(self) -> Account:
        return self.owner_account

    @property
    def name_with_owner(self) -> str:
        return f"{self.owner_account.login}/{self.name}"

    @property
    def resource_path(self) -> str:
        return f"/{self.name_with_owner}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"

    @property
    def visibility(self) -> str:
        return "PRIVATE" if self.is_private else "PUBLIC"

    @property
    def is_in_organization(self) -> bool:
        return self.owner_account.typename == "Organization"

    @property
    def pushed_at(self) -> Stamp | None:
        return None if self.is_empty else self.updated_at

    @property
    def archived_at(self) -> Stamp | None:
        return self.updated_at if self.is_archived else None

    @contextmanager
    def changed(self) -> Iterator[None]:
        """Around every change: holds the world's lock, and makes the ordered lists be made anew."""
        with self.world.lock:
            yield
            self.revision += 1

    def pull_request(self, number: int) -> PullRequest:
        return self.pull_requests[number]

    def issue(self, number: int) -> Issue:
        return self.issues[number]

    def discussion(self, number: int) -> Discussion:
        return self.discussions[number]

    def thread(self, number: int) -> Thread:
        """`KeyError` if there is neither a pull request nor an issue of that number."""
        return self.pull_requests.get(number) or self.issues[number]

    def ordered(self, kind: Listing, by: Order = "created_at") -> list[Any]:
        """Ascending, sorted once a revision. Not to be changed."""
        cached = self._ordered.get((kind, by))
        if cached is None or cached[0] != self.revision:
            cached = self.revision, sorted(getattr(self, kind).values(), key=ORDERS[by])
            self._ordered[(kind, by)] = cached
        return cached[1]

    def counts(self) -> dict[str, int]:
        """How many of each there are, by the contract's nouns. Pending reviews are not counted."""
        pulls = self.pull_requests.values()
        reviews = [each for pull in pulls for each in pull.reviews if each.state != "PENDING"]
        return {
            "pull_requests": len(self.pull_requests),
            "issues": len(self.issues),
            "reviews": len(reviews),
            "review_comments": sum(len(review.comments) for review in reviews),
            "comments": len(self.issue_comments),
            "discussions": len(self.discussions),
            "discussion_comments": sum(1 for each in self.discussions.values() for _ in each.children()),
            "issue_events": sum(len(each.events) for each in [*pulls, *self.issues.values()]),
        }

    def next_number(self) -> int:
        """Pull requests, issues and discussions share their numbers."""
        used = self.pull_requests.keys() | self.issues.keys() | self.discussions.keys()
        return max(used | self.moved.keys() | self.deleted, default=0) + 1

    def label(self, name: str, color: str = "ededed", description: str | None = None) -> Label:
        """The label of that name, made if there is none."""
        with self.changed():
            if name not in self.labels:
                label = Label(self, self.world.next_id("Label"), name, color, description, self.created_at)
                self.labels[name] = label
                self.world.remember(label)
            return self.labels[name]

    def milestone(self, title: str, creator: Account | None = None) -> Milestone:
        """The milestone of that title, made if there is none."""
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
        """A new issue, now. `fields` are any of `Issue`'s (`created_at`, `database_id`, ...)."""
        with self.changed():
            issue = Issue(**self._thread("Issue", author, title, body, fields))
            self.add_issue(issue)
            return issue

    def open_pull_request(self, author: Account | None, title: str, body: str = "", **fields: Any) -> PullRequest:
        """A new pull request, now, from a branch of the repository itself. `fields` are any of `PullRequest`'s."""
        with self.changed():
            fields.setdefault("head_repository", self)
            fields.setdefault("base_ref_name", self.default_branch)
            pull_request = PullRequest(**self._thread("PullRequest", author, title, body, fields))
            self.add_pull_request(pull_request)
            return pull_request

    def discussion_category(self, name: str, *, answerable: bool | None = None) -> DiscussionCategory:
        """The category of that name, made if there is none; `answerable`, unless told, is Q&A alone."""
        with self.changed():
            if name not in self.discussion_categories:
                category = DiscussionCategory(
                    self,
                    self.world.next_id("DiscussionCategory"),
                    name,
                    f"All about {name}" if name in CATEGORIES else None,
                    CATEGORIES.get(name, ":hash:"),
                    name in ANSWERABLE if answerable is None else answerable,
                    self.created_at,
                    self.created_at,
                )
                self.discussion_categories[name] = category
                self.world.remember(category)
            return self.discussion_categories[name]

    def open_discussion(
        self, author: Account | None, title: str, body: str = "", *, category: str = "General", **fields: Any
    ) -> Discussion:
        """A new discussion, now; `category` is a name. `fields` are any of `Discussion`'s. `ValueError` where
        discussions are switched off."""
        if not self.has_discussions_enabled:
            raise ValueError(f"{self.name_with_owner} has no discussions")
        with self.changed():
            given = self._thread("Discussion", author, title, body, fields)
            del given["state"]
            discussion = Discussion(category=self.discussion_category(category), **given)
            self.add_discussion(discussion)
            return discussion

    def _thread(
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
        self._add(issue)

    def add_pull_request(self, pull_request: PullRequest) -> None:
        self.pull_requests[pull_request.number] = pull_request
        self._add(pull_request)

    def add_discussion(self, discussion: Discussion) -> None:
        self.discussions[discussion.number] = discussion
        self.world.remember(discussion)
        for comment in discussion.children():
            self.world.remember(comment)

    def _add(self, thread: Thread) -> None:
        self.world.remember(thread)
        for child in thread.children():
            self.world.remember(child)
            if isinstance(child, IssueComment):
                self.issue_comments[child.database_id] = child
            if isinstance(child, ReviewComment):
                self.review_comments[child.database_id] = child

    def add_issue_comment(self, comment: IssueComment) -> None:
        insort(comment.thread.comments, comment, key=created)
        self.issue_comments[comment.database_id] = comment
        self.world.remember(comment)

    def add_review_comment(self, comment: ReviewComment) -> None:
        insort(comment.review.comments, comment, key=created)
        self.review_comments[comment.database_id] = comment
        self.world.remember(comment)

    def drop(self, thread: Thread) -> None:
        """Takes a thread out, with its comments; the number stays used."""
        self.deleted.add(thread.number)
        self.pull_requests.pop(thread.number, None)
        self.issues.pop(thread.number, None)
        self.world.forget(thread)
        for child in thread.children():
            self.world.forget(child)
            if isinstance(child, IssueComment):
                self.issue_comments.pop(child.database_id)
            if isinstance(child, ReviewComment):
                self.review_comments.pop(child.database_id)

    def rename(self, name_with_owner: str) -> None:
        """GraphQL and REST find it under the old name too, until another repository takes that."""
        self.world.rename_repository(self, name_with_owner)

    def become(self, state: State) -> None:
        with self.changed():
            self.state = state

    def empty(self) -> None:
        """No commit, no thread, nothing."""
        with self.changed():
            for thread in [*self.pull_requests.values(), *self.issues.values()]:
                self.drop(thread)
            for discussion in [*self.discussions.values()]:
                discussion.delete()
            self.commits.clear()
            self.is_empty = True
