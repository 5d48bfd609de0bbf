"""Resolvers of the fields that are not plain attributes of what the world holds, by `Type.field`.

`schema.py` binds them; a field that is neither here nor an attribute is not modelled.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, TypeVar

from sandbox.github.exchange.pages import Key, Page, page
from sandbox.github.exchange.refusals import GitHubError, NotModelled
from sandbox.github.graphql.context import Context, Info
from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account, Team
from sandbox.github.world.clock import Stamp, after
from sandbox.github.world.commits import Commit
from sandbox.github.world.discussions import Discussion, DiscussionComment
from sandbox.github.world.repositories import ORDERS, Repository
from sandbox.github.world.threads import (
    Issue,
    PullRequest,
    PullRequestCommit,
    Review,
    ReviewComment,
    Thread,
    TimelineEvent,
)

T = TypeVar("T")
Resolver = Callable[..., Any]
RESOLVERS: dict[str, Resolver] = {}
DATABASE_ID_LIMIT = 2**31 - 1
NODES_LIMIT = 100


@dataclass(slots=True, eq=False)
class Ref:
    typename: ClassVar[str] = "Ref"

    repository: Repository
    name: str
    target: Commit | None
    prefix: str = "refs/heads/"

    def node_id(self, new: bool) -> str:
        key = f"{self.repository.database_id}:{self.prefix}{self.name}"
        return node_ids.new("Ref", self.repository.database_id, key) if new else node_ids.old("Ref", key)


@dataclass(slots=True, eq=False)
class GitActor:
    """Who a commit says wrote it; `user` if GitHub knows them."""

    name: str | None
    email: str | None
    user: Account | None
    date: Stamp


@dataclass(slots=True, eq=False)
class ReviewThread:
    """The review comments on one line: a root and the replies to it."""

    typename: ClassVar[str] = "PullRequestReviewThread"

    root: ReviewComment
    comments: list[ReviewComment]

    @property
    def database_id(self) -> int:
        return self.root.database_id

    @property
    def pull_request(self) -> PullRequest:
        return self.root.pull_request

    @property
    def repository(self) -> Repository:
        return self.root.repository

    @property
    def path(self) -> str:
        return self.root.path

    @property
    def is_outdated(self) -> bool:
        return self.root.outdated

    @property
    def line(self) -> int | None:
        return self.root.line

    @property
    def original_line(self) -> int | None:
        return self.root.original_line

    def node_id(self, new: bool) -> str:
        if new:
            return node_ids.new("PullRequestReviewThread", self.repository.database_id, self.database_id)
        return node_ids.old("PullRequestReviewThread", self.database_id)


def field(*names: str) -> Callable[[Resolver], Resolver]:
    def register(resolver: Resolver) -> Resolver:
        for name in names:
            assert name not in RESOLVERS, name
            RESOLVERS[name] = resolver
        return resolver

    return register


def constant(value: Any, *names: str) -> None:
    field(*names)(lambda _source, _info, **_args: value)


def serve(info: Info, items: Sequence[Any], key: Key, args: dict[str, Any], **how: Any) -> Page:
    """The page that `args` ask for, with its nodes counted; a cursor that GitHub was told to refuse is refused."""
    context: Context = info.context
    items, hidden = listed(context, items)
    how.setdefault("total_count", len(items) + hidden)
    for cursor in (args.get("after"), args.get("before")):
        if cursor in context.refused_cursors:
            raise GitHubError("INVALID_CURSOR_ARGUMENTS", f"`{cursor}` does not appear to be a valid cursor.")
    served = page(
        items,
        key,
        first=args.get("first"),
        last=args.get("last"),
        after=args.get("after"),
        before=args.get("before"),
        **how,
    )
    context.connections_served += 1
    context.nodes_served += len(served.nodes)
    return served


def listed(context: Context, items: Sequence[T]) -> tuple[Sequence[T], int]:
    """What of these the asker is shown, and how many of those that are counted are shown to nobody."""
    if context.selected is not None:
        items = [each for each in items if context.selected(each)]
    if not context.world.flagged:
        return items, 0
    shown = [each for each in items if not context.world.hides(each)]
    return shown, len(items) - len(shown)


def spoil(info: Info, things: list[Any]) -> list[Any]:
    """The things, an exception in the place of each that GitHub fails to answer."""
    spoilt = info.context.spoilt
    if spoilt is None:
        return things
    key = str(info.path.key)
    return [spoilt(thing, place, len(things), key) or thing for place, thing in enumerate(things)]


def refuse_arguments(where: str, args: dict[str, Any], *names: str) -> None:
    for name in names:
        if args.get(name):
            raise NotModelled(f"the argument {name} of {where}")


def by_name(thing: Any) -> tuple[str, int]:
    return thing.name.lower(), thing.database_id


def by_login(account: Account) -> tuple[str, int]:
    return account.login.lower(), account.database_id


def by_id(thing: Any) -> tuple[int]:
    return (thing.database_id,)


def by_place(thing: Any) -> tuple[Stamp, int, str]:
    """A timeline's order. Ids of different types may be equal: the type makes the place one item's alone."""
    return thing.created_at, thing.database_id, thing.typename


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


# --- the root


@field("Query.viewer")
def viewer(_source: Any, info: Info) -> Account:
    account: Account = info.context.viewer
    return account


@field("User.login")
def user_login(source: Account, _info: Info) -> str:
    """`viewer` is a User by its type: an App's bot, asked who it is, has the login that REST gives it."""
    return source.rest_login


@field("Query.relay")
def relay(_source: Any, _info: Info) -> dict[str, Any]:
    return {}


@field("Query.rateLimit")
def rate_limit(_source: Any, info: Info, **args: Any) -> Any:
    if args.get("dryRun"):
        raise NotModelled("rateLimit(dryRun: true)")
    return info.context.rate


@field("Query.repository")
def repository(_source: Any, info: Info, **args: Any) -> Repository:
    name = f"{args['owner']}/{args['name']}"
    world = info.context.world
    found: Repository | None = world.find(name)
    if found is None or (args.get("followRenames") is False and not world.is_present_name(name)):
        raise GitHubError("NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'.")
    return visible(info.context, found, f"Could not resolve to a Repository with the name '{name}'.")


def visible(context: Context, found: Repository, otherwise: str) -> Repository:
    if found.state == "gone" or not found.shows_to(context.viewer, context.installation):
        raise GitHubError("NOT_FOUND", otherwise)
    if found.state == "forbidden":
        raise GitHubError("FORBIDDEN", "Resource not accessible by personal access token")
    if found.state == "taken_down":
        raise GitHubError("FORBIDDEN", "Repository access blocked")
    return found


def is_here(context: Context, found: Repository) -> bool:
    return found.state == "here" and found.shows_to(context.viewer, context.installation)


@field("Query.node")
def node(_source: Any, info: Info, **args: Any) -> Any:
    thing = spoil(info, [resolve_node(info.context, args["id"])])[0]
    info.context.nodes_served += 1
    return thing


@field("Query.nodes")
def nodes(_source: Any, info: Info, **args: Any) -> list[Any]:
    wanted = args["ids"]
    if len(wanted) > NODES_LIMIT:
        message = f"You may not provide more than {NODES_LIMIT} node ids; you provided {len(wanted)}."
        raise GitHubError("ARGUMENT_LIMIT", message)
    info.context.nodes_served += len(wanted)
    return spoil(info, [resolve_node(info.context, each) for each in wanted])


def resolve_node(context: Context, identifier: str) -> Any:
    """What has that id, or the error that stands in its place."""
    thing = context.world.node(identifier)
    missing = f"Could not resolve to a node with the global id of '{identifier}'"
    if thing is None or (isinstance(thing, Review) and not may_see(context, thing)) or context.world.hides(thing):
        return GitHubError("NOT_FOUND", missing)
    home = getattr(thing, "repository", None)
    try:
        if home is not None:
            visible(context, home, missing)
    except GitHubError as error:
        return error
    return thing


@field("Query.user")
def user(_source: Any, info: Info, **args: Any) -> Account:
    return find_account(info, args["login"], "User", "a User")


@field("Query.organization")
def organization(_source: Any, info: Info, **args: Any) -> Account:
    return find_account(info, args["login"], "Organization", "an Organization")


@field("Query.repositoryOwner")
def repository_owner(_source: Any, info: Info, **args: Any) -> Account | None:
    account: Account | None = info.context.world.accounts.get(args["login"].lower())
    return account if account is not None and account.typename in ("User", "Organization") else None


def find_account(info: Info, login: str, typename: str, called: str) -> Account:
    account: Account | None = info.context.world.accounts.get(login.lower())
    if account is None or account.typename != typename:
        raise GitHubError("NOT_FOUND", f"Could not resolve to {called} with the login of '{login}'.")
    return account


# --- repositories


@field("Repository.pullRequest")
def pull_request(source: Repository, info: Info, **args: Any) -> PullRequest:
    found = source.pull_requests.get(args["number"])
    if found is None or info.context.world.hides(found):
        raise GitHubError("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {args['number']}.")
    return one(info, found)


@field("Repository.issue")
def issue(source: Repository, info: Info, **args: Any) -> Issue:
    found = source.issues.get(args["number"]) if source.has_issues_enabled else None
    if found is None or info.context.world.hides(found):
        raise GitHubError("NOT_FOUND", f"Could not resolve to an Issue with the number of {args['number']}.")
    return one(info, found)


@field("Repository.issueOrPullRequest")
def issue_or_pull_request(source: Repository, info: Info, **args: Any) -> Thread:
    number = args["number"]
    found: Thread | None = source.pull_requests.get(number)
    if found is None and source.has_issues_enabled:
        found = source.issues.get(number)
    if found is None or info.context.world.hides(found):
        message = f"Could not resolve to an issue or pull request with the number of {number}."
        raise GitHubError("NOT_FOUND", message)
    return one(info, found)


def one(info: Info, thing: T) -> T:
    thing = spoil(info, [thing])[0]
    if isinstance(thing, Exception):
        raise thing
    return thing


@field("Repository.pullRequests")
def pull_requests(source: Repository, info: Info, **args: Any) -> Page:
    return threads("Repository.pullRequests", source, "pull_requests", info, args)


@field("Repository.issues")
def issues(source: Repository, info: Info, **args: Any) -> Page:
    return threads("Repository.issues", source, "issues", info, args)


def threads(where: str, source: Repository, kind: Any, info: Info, args: dict[str, Any]) -> Page:
    order = args.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
    if order["field"] == "COMMENTS":
        raise NotModelled(f"{where} ordered by COMMENTS")
    by: Any = order["field"].lower()
    wanted = args.get("filterBy") or {}
    refuse_arguments(where, wanted, "milestone", "milestoneNumber", "mentioned", "viewerSubscribed", "assignee")
    items = source.ordered(kind, by) if kind != "issues" or source.has_issues_enabled else []
    tests: list[Callable[[Any], bool]] = []
    if states := args.get("states") or wanted.get("states"):
        tests.append(lambda thread: thread.state in states)
    if labels := args.get("labels") or wanted.get("labels"):
        tests.append(lambda thread: any(label.name in labels for label in thread.labels))
    if since := wanted.get("since"):
        tests.append(lambda thread: thread.updated_at >= since)
    if creator := wanted.get("createdBy"):
        tests.append(lambda thread: thread.author is not None and thread.author.login == creator)
    if base := args.get("baseRefName"):
        tests.append(lambda thread: thread.base_ref_name == base)
    if head := args.get("headRefName"):
        tests.append(lambda thread: thread.head_ref_name == head)
    if tests:
        items = [thread for thread in items if all(test(thread) for test in tests)]
    served = serve(info, items, ORDERS[by], args, descending=order["direction"] == "DESC")
    served.shown = spoil(info, served.nodes)
    return served


@field("Repository.discussions")
def discussions(source: Repository, info: Info, **args: Any) -> Page:
    """Switched off they are an empty list, whatever there was."""
    if args.get("answered") is not None or args.get("states"):
        raise NotModelled("Repository.discussions by answer or state")
    order = args.get("orderBy") or {"field": "UPDATED_AT", "direction": "DESC"}
    by: Any = order["field"].lower()
    items = source.ordered("discussions", by) if source.has_discussions_enabled else []
    if category_id := args.get("categoryId"):
        category = info.context.world.node(category_id)
        if category is None or category.typename != "DiscussionCategory":
            raise GitHubError("NOT_FOUND", f"Could not resolve to a node with the global id of '{category_id}'.")
        items = [each for each in items if each.category is category]
    served = serve(info, items, ORDERS[by], args, descending=order["direction"] == "DESC")
    served.shown = spoil(info, served.nodes)
    return served


@field("Repository.discussion")
def discussion(source: Repository, info: Info, **args: Any) -> Discussion:
    found = source.discussions.get(args["number"]) if source.has_discussions_enabled else None
    if found is None or info.context.world.hides(found):
        raise GitHubError("NOT_FOUND", f"Could not resolve to a Discussion with the number of {args['number']}.")
    return one(info, found)


@field("Repository.discussionCategories")
def discussion_categories(source: Repository, info: Info, **args: Any) -> Page:
    refuse_arguments("Repository.discussionCategories", args, "filterByAssignable")
    return serve(info, list(source.discussion_categories.values()), by_id, args)


@field("Discussion.comments")
def discussion_comments(source: Discussion, info: Info, **args: Any) -> Page:
    """Of the first level, counted too."""
    return serve(info, source.comments, ORDERS["created_at"], args)


@field("DiscussionComment.replies")
def replies(source: DiscussionComment, info: Info, **args: Any) -> Page:
    return serve(info, source.replies, ORDERS["created_at"], args)


@field("Repository.labels")
def repository_labels(source: Repository, info: Info, **args: Any) -> Page:
    refuse_arguments("Repository.labels", args, "query")
    return labels_of(source.labels.values(), info, args)


@field("Issue.labels", "PullRequest.labels")
def labels(source: Thread, info: Info, **args: Any) -> Page:
    return labels_of(source.labels, info, args)


def labels_of(all_labels: Any, info: Info, args: dict[str, Any]) -> Page:
    order = args.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
    key = by_name if order["field"] == "NAME" else ORDERS["created_at"]
    return serve(info, sorted(all_labels, key=key), key, args, descending=order["direction"] == "DESC")


@field("Repository.label")
def label(source: Repository, _info: Info, **args: Any) -> Any:
    return source.labels.get(args["name"])


@field("Repository.milestones")
def milestones(source: Repository, info: Info, **args: Any) -> Page:
    refuse_arguments("Repository.milestones", args, "query", "orderBy")
    states = args.get("states")
    found = [each for each in source.milestones.values() if not states or each.state in states]
    return serve(info, found, by_id, args)


@field("Repository.milestone")
def milestone(source: Repository, _info: Info, **args: Any) -> Any:
    return source.milestones.get(args["number"])


# --- issues and pull requests


@field("Issue.assignees", "PullRequest.assignees")
def assignees(source: Thread, info: Info, **args: Any) -> Page:
    """People only: bots are among `assignedActors`. Source: reports.md B, vscode-pull-request-github#7324."""
    people = [each for each in source.assignees if each.typename == "User"]
    return serve(info, sorted(people, key=by_login), by_login, args)


@field("Issue.assignedActors", "PullRequest.assignedActors")
def assigned_actors(source: Thread, info: Info, **args: Any) -> Page:
    return serve(info, sorted(source.assignees, key=by_login), by_login, args)


@field("Issue.comments", "PullRequest.comments")
def comments(source: Thread, info: Info, **args: Any) -> Page:
    if order := args.get("orderBy"):
        key = ORDERS["updated_at"]
        return serve(info, sorted(source.comments, key=key), key, args, descending=order["direction"] == "DESC")
    return serve(info, source.comments, ORDERS["created_at"], args)


@field("Issue.participants", "PullRequest.participants")
def participants(source: Thread, info: Info, **args: Any) -> Page:
    written: list[Any] = [source, *source.comments]
    if isinstance(source, PullRequest):
        written += visible_reviews(info.context, source)
    people = {each.author for each in written if each.author is not None and each.author.typename == "User"}
    return serve(info, sorted(people, key=by_login), by_login, args)


@field("Issue.closedByPullRequestsReferences")
def closed_by_pull_requests(source: Issue, info: Info, **args: Any) -> Page:
    if args.get("userLinkedOnly") or args.get("orderByState"):
        raise NotModelled("Issue.closedByPullRequestsReferences by user or state")
    found = [each for each in source.closed_by if args.get("includeClosedPrs") or each.state != "CLOSED"]
    found = [each for each in found if is_here(info.context, each.repository)]
    return serve(info, sorted(found, key=by_id), by_id, args)


@field("PullRequest.closingIssuesReferences")
def closing_issues(source: PullRequest, info: Info, **args: Any) -> Page:
    refuse_arguments("PullRequest.closingIssuesReferences", args, "userLinkedOnly", "orderBy")
    found = [each for each in source.closes if is_here(info.context, each.repository)]
    return serve(info, sorted(found, key=by_id), by_id, args)


@field("Issue.timelineItems", "PullRequest.timelineItems")
def timeline_items(source: Thread, info: Info, **args: Any) -> Page:
    """`totalCount` ignores `itemTypes` and `since`; `filteredCount` is what they and the cursors leave."""
    types = frozenset(args.get("itemTypes") or ())
    everything = timeline(info.context, source, types)
    if types:
        everything = [each for each in everything if item_type(each.typename) in types]
    if since := args.get("since"):
        everything = [each for each in everything if each.created_at >= since]
    everything.sort(key=by_place)
    skipped = everything[args["skip"] :] if args.get("skip") else everything
    served = serve(info, skipped, by_place, args, total_count=timeline_count(info.context, source))
    within = page(everything, by_place, first=len(everything), after=args.get("after"), before=args.get("before"))
    served.filtered_count = len(within.nodes) if args.get("after") or args.get("before") else len(everything)
    served.updated_at = source.updated_at
    return served


@cache
def item_type(typename: str) -> str:
    """The name in `itemTypes` of a member of a timeline's union: LabeledEvent is LABELED_EVENT."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", typename).upper()


def timeline(context: Context, source: Thread, types: frozenset[str]) -> list[Any]:
    """Unsorted; commits only where they are asked for: they are made, not kept."""
    items: list[Any] = [*source.comments, *source.events]
    if isinstance(source, PullRequest):
        items += visible_reviews(context, source)
        if not types or "PULL_REQUEST_COMMIT" in types:
            items += commits_of(source)
    return items if context.selected is None else [each for each in items if context.selected(each)]


def timeline_count(context: Context, source: Thread) -> int:
    if context.selected is not None:
        return len(timeline(context, source, frozenset()))
    count = len(source.comments) + len(source.events)
    if isinstance(source, PullRequest):
        count += len(visible_reviews(context, source)) + source.commit_count
    return count


def commits_of(source: PullRequest) -> list[PullRequestCommit]:
    oid = source.repository.world.oid
    found = []
    for place in range(source.commit_count):
        is_head = place == source.commit_count - 1
        commit = Commit(
            source.repository,
            source.head_ref_oid if is_head else oid(f"{source.repository.database_id}#{source.number} {place}"),
            f"{source.title} {place}",
            after(source.created_at, place - source.commit_count),
            source.account,
        )
        found.append(PullRequestCommit(source, commit, commit.authored_date, place))
    return found


@field("PullRequest.commits")
def pull_request_commits(source: PullRequest, info: Info, **args: Any) -> Page:
    refuse_contents(info.context)
    only_counted = args.get("first") is None and args.get("last") is None
    found = [] if only_counted else commits_of(source)
    return serve(info, found, by_id, args, total_count=source.commit_count)


def refuse_contents(context: Context) -> None:
    """For an App without Contents: read. Source: reports.md C, policy-bot#42."""
    if context.installation is not None and not context.installation.reads("contents"):
        raise GitHubError("FORBIDDEN", "Resource not accessible by integration")


def may_see(context: Context, review: Review) -> bool:
    return review.state != "PENDING" or review.account is context.viewer or context.world.shows_pending_reviews


def visible_reviews(context: Context, source: PullRequest) -> list[Review]:
    return [review for review in source.reviews if may_see(context, review)]


@field("PullRequest.reviews")
def reviews(source: PullRequest, info: Info, **args: Any) -> Page:
    found = visible_reviews(info.context, source)
    if states := args.get("states"):
        found = [review for review in found if review.state in states]
    if login := args.get("author"):
        found = [review for review in found if review.author is not None and review.author.login == login]
    return serve(info, found, ORDERS["created_at"], args)


@field("PullRequest.reviewRequests")
def review_requests(source: PullRequest, info: Info, **args: Any) -> Page:
    return serve(info, sorted(source.review_requests, key=by_id), by_id, args)


@field("PullRequest.reviewThreads")
def review_threads(source: PullRequest, info: Info, **args: Any) -> Page:
    found: dict[int, ReviewThread] = {}
    visible_comments = [each for review in visible_reviews(info.context, source) for each in review.comments]
    for comment in sorted(visible_comments, key=ORDERS["created_at"]):
        root = comment.reply_to or comment
        found.setdefault(root.database_id, ReviewThread(root, [])).comments.append(comment)
    return serve(info, list(found.values()), lambda thread: (thread.root.created_at, thread.database_id), args)


@field("PullRequestReview.comments", "PullRequestReviewThread.comments")
def review_comments(source: Review | ReviewThread, info: Info, **args: Any) -> Page:
    refuse_arguments("PullRequestReviewThread.comments", args, "skip")
    return serve(info, source.comments, ORDERS["created_at"], args)


@field("PullRequest.totalCommentsCount")
def total_comments_count(source: PullRequest, _info: Info) -> int:
    return len(source.comments) + len(source.review_comments())


@field("PullRequest.headRepositoryOwner")
def head_repository_owner(source: PullRequest, _info: Info) -> Account | None:
    return source.head_repository.owner if source.head_repository else None


@field("PullRequest.baseRef")
def base_ref(source: PullRequest, _info: Info) -> Ref:
    return Ref(source.repository, source.base_ref_name, source.repository.git.commit(source.base_ref_oid))


@field("PullRequest.headRef")
def head_ref(source: PullRequest, _info: Info) -> Ref | None:
    """None once the branch is deleted."""
    gone = any(event.typename == "HeadRefDeletedEvent" for event in source.events)
    if gone or source.head_repository is None:
        return None
    return Ref(source.head_repository, source.head_ref_name, source.head_repository.git.commit(source.head_ref_oid))


@field("IssueComment.issue")
def comment_issue(source: Any, _info: Info) -> Issue:
    if not isinstance(source.thread, Issue):
        raise NotModelled("IssueComment.issue of a pull request's comment")
    return source.thread


@field("Team.organization")
def team_organization(source: Team, _info: Info) -> Account:
    return source.organization


# --- timeline events: `data` holds what only one kind has


def event_field(names: str, value: Callable[[TimelineEvent], Any]) -> None:
    """`names`: `Type.field` separated by blanks."""
    field(*names.split())(lambda source, _info, **_args: value(source))


def account_field(key: str) -> Callable[[TimelineEvent], Any]:
    """Someone in `data`, null once deleted."""

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
constant("READ", "Repository.viewerPermission")
constant(False, "Repository.isDisabled", "Repository.isLocked", "Repository.isMirror", "Repository.isTemplate")
constant(False, "AddedToProjectV2Event.wasAutomated", "RemovedFromProjectV2Event.wasAutomated")
constant(False, "ProjectV2ItemStatusChangedEvent.wasAutomated", "ConvertedFromDraftEvent.wasAutomated")
constant(None, "Issue.issueType")
constant(False, "User.isSiteAdmin", "PullRequest.maintainerCanModify")


@field("PullRequest.canBeRebased")
def can_be_rebased(source: PullRequest, _info: Info) -> bool:
    return not source.closed


@field("PullRequest.mergeable")
def mergeable(source: PullRequest, _info: Info) -> str:
    """Nothing conflicts here."""
    return "UNKNOWN" if source.closed else "MERGEABLE"


@field("PullRequest.mergeStateStatus")
def merge_state_status(source: PullRequest, _info: Info) -> str:
    return "UNKNOWN" if source.closed else "CLEAN"
