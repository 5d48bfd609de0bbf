"""Compares what Postgres must hold of a repository, by the stand-in's world, with what it holds: two dictionaries that
have to be equal.
"""

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from messages import DATA_TYPES, DataType
from sandbox.github.world.accounts import Account, Team, present
from sandbox.github.world.discussions import Discussion, DiscussionComment
from sandbox.github.world.pull_requests import PullRequest, Review, ReviewComment
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Issue, Thread, TimelineEvent
from tests.support import feed_truth

GHOST = 10137
UNTOLD = {"MentionedEvent", "SubscribedEvent", "UnsubscribedEvent"}
NAMED_OTHERWISE = {"CrossReferencedEvent": "cross-referenced", "RenamedTitleEvent": "renamed"}

Facts = dict[str, dict[Any, Any]]


def moment(stamp: str | None) -> datetime | None:
    return datetime.fromisoformat(stamp) if stamp else None


def stored_text(text: str) -> str:
    return text.replace("\x00", "")


def expected(repository: Repository, since: datetime | None = None) -> Facts:
    """Returns what Postgres must hold of the threads that were updated at or after `since`."""
    facts: Facts = {
        name: {}
        for name in (
            *("pull_requests", "issues", "reviews", "comments", "events", "requested_reviewers", "contributors"),
            *("discussions", "discussion_comments"),
        )
    }
    with repository.world.still():
        for thread in [*repository.pull_requests.values(), *repository.issues.values()]:
            updated_at = moment(thread.updated_at)
            assert updated_at is not None
            if since is None or updated_at >= since:
                _thread(thread, facts)
        for discussion in repository.discussions.values() if repository.has_discussions_enabled else ():
            if since is None or discussion.updated_at >= since.strftime("%Y-%m-%dT%H:%M:%SZ"):
                _discussion(discussion, facts)
    return facts


def _known(account: Account | None, facts: Facts) -> int | None:
    account = present(account)
    if account is None:
        return None
    facts["contributors"][account.database_id] = (account.rest_login, account.typename == "Bot")
    return account.database_id


def _login(account: Account | None) -> str | None:
    account = present(account)
    return account.rest_login if account else None


def _thread(thread: Thread, facts: Facts) -> None:
    shared = {
        "github_id": thread.database_id,
        "node_id": thread.node_id(True),
        "title": stored_text(thread.title),
        "body": stored_text(thread.body),
        "author": _known(thread.account, facts),
        "created_at": moment(thread.created_at),
        "updated_at": moment(thread.updated_at),
        "closed_at": moment(thread.closed_at),
        "labels": [
            {"name": label.name, "color": label.color, "description": label.description}
            for label in sorted(thread.labels, key=lambda label: label.name)
        ],
        "assignees": [
            {"id": each.database_id, "login": each.rest_login, "avatar_url": each.avatar_url}
            for each in sorted(thread.assignees, key=lambda each: each.rest_login)
        ],
        "milestone": thread.milestone
        and {
            "number": thread.milestone.number,
            "title": thread.milestone.title,
            "state": thread.milestone.state.lower(),
            "description": thread.milestone.description,
            "due_on": thread.milestone.due_on,
        },
    }
    of = ("pull_request" if isinstance(thread, PullRequest) else "issue", thread.number)
    if isinstance(thread, PullRequest):
        facts["pull_requests"][thread.number] = shared | {
            "state": thread.state.lower(),
            "author_login": _login(thread.account),
            "draft": thread.is_draft,
            "merged": thread.merged_at is not None,
            "merged_by": _known(thread.merged_by_account, facts),
            "base_branch": thread.base_ref_name,
            "head_branch": thread.head_ref_name,
            "additions": thread.additions,
            "deletions": thread.deletions,
            "changed_files": thread.changed_files,
            "commits": thread.commit_count,
            "merged_at": moment(thread.merged_at),
            "html_url": thread.url,
            "reviewer_data": _reviewer_data(thread),
        }
        for request in thread.review_requests:
            if request.requested_reviewer is not None:
                name = _reviewer(request.reviewer)
                facts["requested_reviewers"][thread.number, name] = {
                    "avatar_url": request.reviewer.avatar_url,
                    "requested_at": _requested_at(thread, name),
                }
        for review in thread.reviews:
            if review.state != "PENDING":
                _review(review, thread.number, facts)
    elif isinstance(thread, Issue):
        closings = [event for event in thread.events if event.typename == "ClosedEvent"]
        facts["issues"][thread.number] = shared | {
            "state": thread.state.lower(),
            "closed_by": _known(closings[-1].account, facts) if closings and thread.closed else None,
            "comments_count": len(thread.comments),
            "linked_prs": sorted(
                ({"number": pull.number, "url": pull.url, "state": pull.state.lower()} for pull in thread.closed_by),
                key=lambda pull: str(pull["url"]),
            ),
        }
    for comment in thread.comments:
        facts["comments"]["issue_comment", comment.database_id] = {
            "of": of,
            "author": _known(comment.account, facts),
            "body": stored_text(comment.body),
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at),
            "path": None,
            "position": None,
            "original_position": None,
            "diff_hunk": None,
            "commit_id": None,
            "review": None,
            "in_reply_to": None,
        }
    for event in thread.events:
        if event.typename not in UNTOLD:
            facts["events"][event.node_id(True)] = {
                "of": of,
                "event_type": _event_type(event.typename),
                "actor_login": _login(event.account),
                "created_at": moment(event.created_at),
                "payload": _payload(event),
            }


def _review(review: Review, number: int, facts: Facts) -> None:
    author = _known(review.account, facts)
    facts["reviews"][review.database_id] = {
        "pull_request": number,
        "author": GHOST if author is None else author,
        "state": review.state,
        "body": stored_text(review.body),
        "submitted_at": moment(review.submitted_at),
        "updated_at": moment(review.updated_at),
        "commit_id": review.oid,
    }
    if author is None:
        facts["contributors"][GHOST] = ("ghost", False)
    for comment in review.comments:
        facts["comments"]["review_comment", comment.database_id] = _review_comment(comment, number, facts)


def _review_comment(comment: ReviewComment, number: int, facts: Facts) -> dict[str, Any]:
    return {
        "of": ("pull_request", number),
        "author": _known(comment.account, facts),
        "body": stored_text(comment.body),
        "created_at": moment(comment.created_at),
        "updated_at": moment(comment.updated_at),
        "path": comment.path,
        "position": comment.position,
        "original_position": comment.original_position,
        "diff_hunk": stored_text(comment.diff_hunk),
        "commit_id": comment.commit.oid,
        "review": comment.review.database_id,
        "in_reply_to": comment.reply_to.database_id if comment.reply_to else None,
    }


def _discussion(discussion: Discussion, facts: Facts) -> None:
    category, answer = discussion.category, discussion.answer
    facts["discussions"][discussion.number] = {
        "id": discussion.node_id(True),
        "github_id": discussion.database_id,
        "title": stored_text(discussion.title),
        "body": stored_text(discussion.body),
        "url": discussion.url,
        "category_id": category.node_id(True),
        "category_name": category.name,
        "category_description": category.description,
        "category_emoji": category.emoji,
        "author_id": _known(discussion.account, facts),
        "author_login": _login(discussion.account),
        "is_answered": (answer is not None) if category.is_answerable else None,
        "answer_id": answer and answer.node_id(True),
        "answer_chosen_at": moment(discussion.answer_chosen_at),
        "answer_chosen_by": _login(discussion.answer_chosen_by_account),
        "upvote_count": discussion.upvote_count,
        "comment_count": len(discussion.comments),
        "locked": discussion.locked,
        "created_at": moment(discussion.created_at),
        "updated_at": moment(discussion.updated_at),
    }
    for comment in discussion.comments:
        _discussion_comment(comment, None, facts)
        for reply in comment.replies:
            _discussion_comment(reply, comment, facts)


def _discussion_comment(comment: DiscussionComment, parent: DiscussionComment | None, facts: Facts) -> None:
    account = None if comment.deleted_at else comment.account
    facts["discussion_comments"][comment.database_id] = {
        "id": comment.node_id(True),
        "discussion_number": comment.discussion.number,
        "parent_comment_id": parent.node_id(True) if parent else None,
        "author_id": _known(account, facts),
        "author_login": _login(account),
        "body": stored_text(comment.body),
        "is_answer": comment is comment.discussion.answer,
        "upvote_count": comment.upvote_count,
        "reply_count": len(comment.replies),
        "created_at": moment(comment.created_at),
        "updated_at": moment(comment.updated_at),
    }


def _reviewer(reviewer: Account | Team) -> str:
    return f"team:{reviewer.slug}" if isinstance(reviewer, Team) else reviewer.rest_login


def _requested_at(thread: PullRequest, name: str) -> datetime | None:
    moments = [
        event.created_at
        for event in thread.events
        if event.typename == "ReviewRequestedEvent" and _reviewer(event.data["reviewer"]) == name
    ]
    return moment(max(moments)) if moments else None


def _reviewer_data(thread: PullRequest) -> dict[str, Any]:
    latest: dict[int, Review] = {}
    for review in thread.reviews:
        if review.state != "PENDING" and review.submitted_at:
            author = present(review.account)
            key = author.database_id if author else GHOST
            held = latest.get(key)
            if held is None or (held.submitted_at or "", held.database_id) < (review.submitted_at, review.database_id):
                latest[key] = review
    return {
        "requested_reviewers": sorted(
            _reviewer(request.reviewer) for request in thread.review_requests if request.requested_reviewer
        ),
        "reviewers": {
            (_login(review.account) or "ghost"): (review.state, moment(review.submitted_at))
            for review in latest.values()
        },
    }


def _event_type(typename: str) -> str:
    if typename in NAMED_OTHERWISE:
        return NAMED_OTHERWISE[typename]
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in typename.removesuffix("Event"))
    return words.removeprefix("_")


def _payload(event: TimelineEvent) -> dict[str, Any]:
    """Returns those fields of an event's payload that the world shows directly."""
    data = event.data
    if event.typename in ("LabeledEvent", "UnlabeledEvent"):
        return {"label": data["label"].name}
    if event.typename in ("MilestonedEvent", "DemilestonedEvent"):
        return {"milestone_title": data["milestone_title"]}
    if event.typename == "RenamedTitleEvent":
        return {"previous_title": data["previous_title"], "current_title": data["current_title"]}
    return {}


def _plain_payload(event_type: str, payload: dict[str, Any]) -> dict[str, Any]:
    if event_type in ("labeled", "unlabeled"):
        return {"label": payload["label"]["name"]}
    if event_type in ("milestoned", "demilestoned"):
        return {"milestone_title": payload["milestone_title"]}
    if event_type == "renamed":
        return {"previous_title": payload["previous_title"], "current_title": payload["current_title"]}
    return {}


async def stored(dsn: str, github_id: int) -> Facts:
    """Returns what Postgres holds of the repository, in the same form."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        return await _stored(connection, github_id)
    finally:
        await connection.close()


async def _stored(connection: asyncpg.Connection, github_id: int) -> Facts:
    repository_id = await connection.fetchval("select id from repositories where github_id = $1", github_id)
    people = "(select github_id from contributors where id = {}) as {}"
    threads = (
        "github_id, node_id, number, title, body, state, created_at, updated_at, closed_at, labels, assignees,"
        " milestone"
    )
    pulls = await connection.fetch(
        f"select {threads}, author_login, draft, merged, base_branch, head_branch, additions, deletions, changed_files,"
        f" commits, merged_at, html_url, reviewer_data, {people.format('author_id', 'author')},"
        f" {people.format('merged_by_id', 'merged_by')} from pull_requests"
        " where repository_id = $1 and gone_at is null",
        repository_id,
    )
    issues = await connection.fetch(
        f"select {threads}, comments_count, linked_prs, {people.format('author_id', 'author')},"
        f" {people.format('closed_by_id', 'closed_by')} from issues where repository_id = $1 and gone_at is null",
        repository_id,
    )
    reviews = await connection.fetch(
        f"select r.github_id, p.number as pull_request, {people.format('r.author_id', 'author')}, r.state, r.body,"
        " r.submitted_at, r.updated_at, r.commit_id from reviews r join pull_requests p on p.id = r.pull_request_id"
        " where r.repository_id = $1 and p.gone_at is null",
        repository_id,
    )
    comments = await connection.fetch(
        f"select c.comment_type, c.github_id, p.number as pull_request, i.number as issue,"
        f" {people.format('c.commenter_id', 'author')}, c.body, c.created_at, c.updated_at, c.path, c.position,"
        " c.original_position, c.diff_hunk, c.commit_id, r.github_id as review, parent.github_id as in_reply_to"
        " from comments c left join pull_requests p on p.id = c.pull_request_id left join issues i on i.id = c.issue_id"
        " left join reviews r on r.id = c.review_id left join comments parent on parent.id = c.in_reply_to_id"
        " where c.repository_id = $1 and coalesce(p.gone_at, i.gone_at) is null",
        repository_id,
    )
    events = await connection.fetch(
        "select e.node_id, p.number as pull_request, i.number as issue, e.event_type, e.actor_login, e.created_at,"
        " e.payload from issue_events e left join pull_requests p on p.id = e.pull_request_id"
        " left join issues i on i.id = e.issue_id"
        " where e.repository_id = $1 and coalesce(p.gone_at, i.gone_at) is null",
        repository_id,
    )
    requests = await connection.fetch(
        "select p.number, r.username, r.avatar_url, r.requested_at from requested_reviewers r"
        " join pull_requests p on p.id = r.pull_request_id where p.repository_id = $1 and p.gone_at is null",
        repository_id,
    )
    contributors = await connection.fetch("select github_id, username, is_bot from contributors")
    discussions = await connection.fetch(
        "select id, github_id, number, title, body, url, category_id, category_name, category_description,"
        " category_emoji, author_id, author_login, is_answered, answer_id, answer_chosen_at, answer_chosen_by,"
        " upvote_count, comment_count, locked, created_at, updated_at from discussions"
        " where repository_id = $1 and gone_at is null",
        repository_id,
    )
    discussion_comments = await connection.fetch(
        "select c.github_id, c.id, discussion_number, parent_comment_id, c.author_id, c.author_login, c.body,"
        " is_answer, c.upvote_count, reply_count, c.created_at, c.updated_at from discussion_comments c"
        " join discussions d on d.id = c.discussion_id where d.repository_id = $1 and d.gone_at is null",
        repository_id,
    )
    feed = await connection.fetch(
        "select e.event_id, e.event_type, e.actor_login, e.created_at, e.payload, e.source, e.processed,"
        " e.is_privileged from github_events_cache e join repositories r on r.owner = e.repository_owner"
        " and r.name = e.repository_name where r.id = $1",
        repository_id,
    )
    stars = await connection.fetch(
        "select day, stars from repository_star_history where repository_id = $1", repository_id
    )
    return {
        "feed": {(row["event_id"], row["created_at"]): dict(row) for row in feed},
        "star_history": {row["day"]: row["stars"] for row in stars},
        "pull_requests": {row["number"]: _pull(dict(row)) for row in pulls},
        "issues": {row["number"]: _issue(dict(row)) for row in issues},
        "reviews": {row["github_id"]: _without(dict(row), "github_id") for row in reviews},
        "comments": {
            (row["comment_type"], row["github_id"]): _child(_without(dict(row), "comment_type", "github_id"))
            for row in comments
        },
        "events": {row["node_id"]: _event(_without(dict(row), "node_id")) for row in events},
        "requested_reviewers": {
            (row["number"], row["username"]): _without(dict(row), "number", "username") for row in requests
        },
        "contributors": {row["github_id"]: (row["username"], row["is_bot"]) for row in contributors},
        "discussions": {row["number"]: _without(dict(row), "number") for row in discussions},
        "discussion_comments": {row["github_id"]: _without(dict(row), "github_id") for row in discussion_comments},
    }


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _pull(row: dict[str, Any]) -> dict[str, Any]:
    data = row["reviewer_data"] or {"requested_reviewers": [], "reviewers": []}
    row["reviewer_data"] = {
        "requested_reviewers": sorted(each["username"] for each in data["requested_reviewers"]),
        "reviewers": {each["username"]: (each["state"], moment(each["submitted_at"])) for each in data["reviewers"]},
    }
    return _without(row, "number")


def _issue(row: dict[str, Any]) -> dict[str, Any]:
    return _without(row, "number")


def _child(row: dict[str, Any]) -> dict[str, Any]:
    row["of"] = ("pull_request", row["pull_request"]) if row["pull_request"] else ("issue", row["issue"])
    return _without(row, "pull_request", "issue")


def _event(row: dict[str, Any]) -> dict[str, Any]:
    row["payload"] = _plain_payload(row["event_type"], row["payload"])
    return _child(row)


def differences(wanted: Facts, found: Facts, limit: int = 10) -> list[str]:
    """Returns the first differences, in words; empty if there are none. Contributors that are wanted have to be stored;
    others may be.
    """
    lines = []
    for table, rows in wanted.items():
        missing = rows.keys() - found[table].keys()
        surplus = set() if table == "contributors" else found[table].keys() - rows.keys()
        lines += [f"{table}: {key} is missing" for key in sorted(missing, key=str)]
        lines += [f"{table}: {key} is too much" for key in sorted(surplus, key=str)]
        for key in rows.keys() & found[table].keys():
            mine, theirs = rows[key], found[table][key]
            if mine != theirs and isinstance(mine, dict):
                lines += [
                    f"{table}: {key}: {name}: wanted {mine.get(name)!r:.200}, found {theirs.get(name)!r:.200}"
                    for name in mine.keys() | theirs.keys()
                    if mine.get(name) != theirs.get(name)
                ]
            elif mine != theirs:
                lines.append(f"{table}: {key}: wanted {mine!r}, found {theirs!r}")
    return lines[:limit]


async def check(
    dsn: str,
    repository: Repository,
    since: datetime | None = None,
    *,
    data_types: Collection[DataType] = DATA_TYPES,
) -> None:
    """Fails with the first differences. The feed is compared up to the moment as of which it is complete, if it is."""
    held = await stored(dsn, repository.database_id)
    found = differences(expected(repository, since), held)
    if "events" in data_types:
        found += await _feed_differences(dsn, repository, since, held, data_types)
    assert not found, "\n".join(found[:20])


async def check_feed(
    dsn: str,
    repository: Repository,
    since: datetime | None = None,
    *,
    data_types: Collection[DataType] = DATA_TYPES,
) -> None:
    """As `check`, for events only."""
    held = await stored(dsn, repository.database_id)
    assert held["feed"], "there are no events"
    found = await _feed_differences(dsn, repository, since, held, data_types)
    assert not found, "\n".join(found[:20])


async def _feed_differences(
    dsn: str, repository: Repository, since: datetime | None, held: Facts, data_types: Collection[DataType]
) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        as_of = await connection.fetchval(
            "select as_of from backfill_coverage c join repositories r on r.id = c.repository_id"
            " where r.github_id = $1 and data_type = 'events'",
            repository.database_id,
        )
    finally:
        await connection.close()
    if as_of is None:
        return []
    threads = {"pull_requests", "issues"} <= set(data_types)
    told = {"threads": threads, "as_of": f"{as_of:%Y-%m-%dT%H:%M:%SZ}"}
    rows = [row | told for row in held["feed"].values()]
    return [
        *feed_truth.differences(repository, since, as_of, rows, threads=threads),
        *_star_differences(repository, since, as_of, held["star_history"]),
    ]


def _star_differences(
    repository: Repository, since: datetime | None, as_of: datetime, found: dict[Any, Any]
) -> list[str]:
    """Returns the differences in stars by day, which are stored if GitHub does not show who gave the stars, and only
    then.
    """
    world = repository.world
    with world.still():
        if repository.shows_stargazers_to(world.account("viewer")):
            return [f"star_history: {day} is too much" for day in found]
        wanted: dict[Any, int] = {}
        for star in repository.stars.values():
            day = datetime.fromisoformat(star.starred_at).date()
            wanted[day] = wanted.get(day, 0) + 1
    last, first = as_of.date(), since.date() if since else min([*wanted, as_of.date()])
    day, lines = first, []
    while day < last:
        if day not in found and (since or wanted.get(day)):
            lines.append(f"star_history: {day} is missing")
        elif found.get(day, 0) != wanted.get(day, 0):
            lines.append(f"star_history: {day}: {found[day]}, not {wanted.get(day, 0)}")
        day += timedelta(days=1)
    return lines + [f"star_history: {day} is to come" for day in found if day > datetime.now(as_of.tzinfo).date()]
