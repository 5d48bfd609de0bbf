"""A repository: what it holds, its lists in the orders GitHub serves, and the states it can be in."""

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account
from sandbox.github.world.clock import Stamp
from sandbox.github.world.commits import HEADS, NOTHING, Activity, Commit, Git
from sandbox.github.world.discussions import ANSWERABLE, CATEGORIES, Discussion, DiscussionCategory
from sandbox.github.world.events import RawEvent, Release, Star
from sandbox.github.world.threads import (
    Issue,
    IssueComment,
    Label,
    Milestone,
    PullRequest,
    ReviewComment,
    Thread,
)

if TYPE_CHECKING:
    from sandbox.github.world.apps import Installation
    from sandbox.github.world.world import World

T = TypeVar("T")
State = Literal["here", "gone", "forbidden", "taken_down"]
Refusal = Literal["forbidden", "not_found", "empty"]
Listing = Literal[
    "pull_requests", "issues", "discussions", "issue_comments", "review_comments", "stars", "forks", "releases"
]
Order = Literal["created_at", "updated_at", "starred_at"]
ORDERS: dict[Order, Callable[[Any], tuple[Stamp, int]]] = {
    "created_at": attrgetter("created_at", "database_id"),
    "updated_at": attrgetter("updated_at", "database_id"),
    "starred_at": attrgetter("starred_at", "database_id"),
}
created = ORDERS["created_at"]


@dataclass(slots=True, eq=False, repr=False)
class Repository:
    """`state`: `gone` also stands for private without access. Lists are by number or id; `ordered` sorts them.

    `stargazers_refusal` is how GitHub keeps the list of stargazers from all but `collaborators`; how many there are it
    tells everybody. A private one is there for its owner, `collaborators` and installations of its owner's alone.
    `events_latency` are the seconds before an event shows.
    """

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
    block_reason: str = "dmca"
    """Why it is taken down: `dmca` (451), or `tos`, `sensitive_data`, `unavailable` (403). Source: reports.md A,
    PyGithub#1015, hecat#79."""
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
    git: Git = field(init=False)
    """Its commits, branches and their activity."""
    stars: dict[int, Star] = field(default_factory=dict)
    """By the account's database id."""
    former_stars: list[Star] = field(default_factory=list)
    """Those that were taken back: their events stay."""
    forks: dict[int, "Repository"] = field(default_factory=dict)
    forked_by: dict[int, Account] = field(default_factory=dict)
    """Who made each fork: not its owner, if that is an organization."""
    releases: dict[int, Release] = field(default_factory=dict)
    """Drafts too, which nobody sees."""
    raw_events: list[RawEvent] = field(default_factory=list)
    """Events that nothing else in the world tells of."""
    stargazers_refusal: Refusal | None = None
    collaborators: list[Account] = field(default_factory=list)
    events_latency: float = 0
    event_moments: dict[str, Stamp] = field(default_factory=dict)
    """When the event of what happened says it was: decided once, by `events.py`."""
    moved: dict[int, Issue] = field(default_factory=dict)
    """Issues that were transferred away, by the number they had."""
    deleted: set[int] = field(default_factory=set)
    revision: int = 0
    """Counts changes: what was computed at another revision is stale."""
    _kept: dict[Any, Any] = field(default_factory=dict)
    _kept_at: int = -1

    def __post_init__(self) -> None:
        self.git = Git(self)

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
        pushes = self.git.activity
        return None if self.is_empty else pushes[-1].timestamp if pushes else self.updated_at

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

    def kept(self, key: Any, make: Callable[[], T]) -> T:
        """What `make` makes, made once a revision. Not to be changed."""
        if self._kept_at != self.revision:
            self._kept.clear()
            self._kept_at = self.revision
        if key not in self._kept:
            self._kept[key] = make()
        made: T = self._kept[key]
        return made

    def ordered(self, kind: Listing, by: Order = "created_at") -> list[Any]:
        """Ascending, sorted once a revision. Not to be changed."""
        return self.kept((kind, by), lambda: sorted(getattr(self, kind).values(), key=ORDERS[by]))

    @property
    def commits(self) -> list[Commit]:
        """The default branch's history, as `git log` lists it."""
        head = self.git.head(self.default_branch)
        return self.kept(("history", head.oid), head.history) if head else []

    @property
    def stargazer_count(self) -> int:
        return len(self.stars)

    @property
    def fork_count(self) -> int:
        return len(self.shown_forks())

    def shown_forks(self) -> "list[Repository]":
        """By creation, those that are still there."""
        return self.kept("shown forks", lambda: [each for each in self.ordered("forks") if each.state == "here"])

    def shown_releases(self) -> list[Release]:
        """By creation, without drafts: those are for people with push rights only."""
        return self.kept("shown releases", lambda: [each for each in self.ordered("releases") if not each.is_draft])

    def counts(self) -> dict[str, int]:
        """How many of each there are, by the contract's nouns. Pending reviews and drafts of releases are not counted,
        merges are pushes."""
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
            "stars": self.stargazer_count,
            "forks": self.fork_count,
            "releases": len(self.shown_releases()),
            "pushes": sum(each.is_push for each in self.git.activity),
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

    # --- those who watch it, and what is pushed and released

    def star(self, account: Account, at: Stamp | None = None) -> Star:
        """The star of a user, now unless told; the one they gave before, if they did. Only users have stars to give."""
        if account.typename != "User":
            raise ValueError(f"{account.login} is no user")
        with self.changed():
            if account.database_id not in self.stars:
                number = self.world.next_id("Star")
                self.stars[account.database_id] = Star(self, number, account, at or self.world.clock.stamp())
            return self.stars[account.database_id]

    def unstar(self, account: Account) -> None:
        """`KeyError` without a star. No event tells, and the star's own stays."""
        with self.changed():
            self.former_stars.append(self.stars.pop(account.database_id))

    def fork(self, account: Account, at: Stamp | None = None, *, by: Account | None = None) -> "Repository":
        """A fork that belongs to the account, made by it or, for an organization, by one of its people."""
        with self.changed():
            name, place = f"{account.login}/{self.name}", 0
            while self.world.is_present_name(name):
                place += 1
                name = f"{account.login}/{self.name}-{place}"
            made = self.world.add_repository(
                name, created_at=at, is_fork=True, parent=self, default_branch=self.default_branch
            )
            self.forks[made.database_id], self.forked_by[made.database_id] = made, by or account
            return made

    def release(self, author: Account | None, tag_name: str, at: Stamp | None = None, **fields: Any) -> Release:
        """Of the default branch's head, published at once unless `is_draft`. `fields` are any of `Release`'s."""
        with self.changed():
            now = at or self.world.clock.stamp()
            fields.setdefault("published_at", None if fields.get("is_draft") else now)
            number = fields.pop("database_id", None) or self.world.next_id("Release")
            release = Release(self, number, tag_name, author, now, now, tag_commit=self.git.root(), **fields)
            self.releases[number] = release
            self.world.remember(release)
            return release

    def push(
        self,
        account: Account | None,
        ref: str | None = None,
        commits: int | Sequence[str] = 1,
        *,
        at: Stamp | None = None,
        force: bool = False,
    ) -> Activity:
        """So many commits, or those of these oids, on top of a branch (the default one), which is made if there is
        none. `force`: in the place of its head. The first push to an empty repository creates its branch."""
        with self.changed():
            now, branch = at or self.world.clock.stamp(), self.branch(ref)
            if branch == self.default_branch and not self.is_empty:
                self.git.root()
            self.is_empty = False
            before = self.git.head(branch)
            onto = before or (self.git.root() if branch != self.default_branch else None)
            if force and onto is not None:
                onto = onto.parents[0] if onto.parents else None
            to = self.git.chain(onto, commits, account, now)
            kind: Any = "branch_creation" if before is None else "force_push" if force else "push"
            return self.git.move(branch, to, account, now, kind)

    def create_branch(
        self, account: Account | None, ref: str, oid: str | None = None, *, at: Stamp | None = None
    ) -> Activity:
        """At a commit that is there, the default branch's head unless told. `ValueError` if there is such a branch."""
        with self.changed():
            branch = self.branch(ref)
            if self.git.head(branch):
                raise ValueError(f"{branch} exists")
            to = self.git.commits[oid] if oid else self.git.root()
            return self.git.move(branch, to, account, at or self.world.clock.stamp(), "branch_creation")

    def delete_branch(self, account: Account | None, ref: str, *, at: Stamp | None = None) -> Activity:
        """`KeyError` if there is no such branch. Its commits stay, found by their oids."""
        with self.changed():
            branch = self.branch(ref)
            if not self.git.head(branch):
                raise KeyError(branch)
            return self.git.move(branch, None, account, at or self.world.clock.stamp(), "branch_deletion")

    def land(self, pull: PullRequest, by: Account | None, at: Stamp, *, queued: bool = False) -> Activity:
        """Brings a pull request's head into its base branch, as the commit that it names."""
        with self.changed():
            git, oid = self.git, pull.merge_commit_oid
            assert oid is not None, "it has none yet"
            base = git.head(pull.base_ref_name) or git.root()
            own = pull.head_ref_oid if pull.head_ref_oid != NOTHING else self.world.oid(f"head of {pull.url}")
            head = git.commits.get(own) or git.chain(base, (own,), pull.account, at)
            to = git.merge(pull.base_ref_name, head, oid, f"{pull.title} (#{pull.number})", by, at)
            return git.move(pull.base_ref_name, to, by, at, "merge_queue_merge" if queued else "pr_merge")

    def add_event(
        self,
        type_: str,
        actor: Account | None,
        payload: dict[str, Any] | None = None,
        at: Stamp | None = None,
        *,
        archived: bool = False,
    ) -> RawEvent:
        """An event of any type (`PublicEvent`, `GollumEvent`, ...), with its whole payload. `archived`: the API does
        not tell it, only GH Archive does."""
        with self.changed():
            number = self.world.next_id("RawEvent")
            event = RawEvent(self, number, type_, actor, at or self.world.clock.stamp(), payload or {}, archived)
            self.raw_events.append(event)
            return event

    def branch(self, ref: str | None) -> str:
        """The name of a branch, with or without `refs/heads/`; the default one's for none."""
        return ref.removeprefix(HEADS) if ref else self.default_branch

    def shows_to(self, account: Account, installation: "Installation | None" = None) -> bool:
        """Whether it is there for them. An installation is who it is, whatever its bot is a collaborator of."""
        return not self.is_private or self._is_theirs(account, installation)

    def shows_stargazers_to(self, account: Account, installation: "Installation | None" = None) -> bool:
        if self.stargazers_refusal is None:
            return True
        writes = installation is None or installation.permissions["contents"] == "write"
        return writes and self._is_theirs(account, installation)

    def _is_theirs(self, account: Account, installation: "Installation | None") -> bool:
        if installation is not None:
            return installation.covers(self)
        return account in (self.owner_account, *self.collaborators)

    def lose(self, account: Account) -> None:
        """What goes with a deleted account: its stars and its forks."""
        with self.changed():
            if account.database_id in self.stars:
                self.unstar(account)
            for fork in self.forks.values():
                if fork.owner_account is account:
                    fork.become("gone")

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
        """Of a fork that is gone its origin's events still tell."""
        with self.changed():
            self.state = state
            if self.parent is not None:
                self.parent.revision += 1

    def empty(self) -> None:
        """No commit, no thread, nothing but its stars and forks, which hang on no commit."""
        with self.changed():
            for thread in [*self.pull_requests.values(), *self.issues.values()]:
                self.drop(thread)
            for discussion in [*self.discussions.values()]:
                discussion.delete()
            self.git.clear()
            self.releases.clear()
            self.raw_events.clear()
            self.is_empty = True
