"""The events of a repository, as GitHub's events API shows them.

An event is derived from an object of the world, and always has the same id and time. Its time differs by up to five
seconds from the object's time, because the two never agree at GitHub, either. An event is never in the future.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from sandbox.github.world.accounts import Account
from sandbox.github.world.chance import spread
from sandbox.github.world.clock import Stamp, after, moment
from sandbox.github.world.releases import RawEvent
from sandbox.github.world.repositories import Repository

EVENTS_LIMIT = 300
EVENTS_DAYS = 30
SHIFT = 5
"""The most seconds between the time of an object and the time of the event about it."""
ACTIONS = {
    "ClosedEvent": "closed",
    "ReopenedEvent": "reopened",
    "LabeledEvent": "labeled",
    "UnlabeledEvent": "unlabeled",
    "AssignedEvent": "assigned",
    "UnassignedEvent": "unassigned",
}
"""Types of timeline events that are also events of the repository, with the action in those events."""
EPOCH = moment("2008-01-01T00:00:00Z").timestamp()


class Happening(NamedTuple):
    """Something that happened, from which an event is made. `source` is the object that it happened to, `account` is
    the account that did it.
    """

    at: Stamp
    type: str
    action: str
    source: Any
    account: Account | None


@dataclass(slots=True, frozen=True)
class Event:
    """One event. `created_at` is the time of the event itself. It differs slightly from the time of `source`, the
    object that the event is about.
    """

    repository: Repository
    id: int
    type: str
    action: str
    source: Any
    account: Account
    created_at: Stamp


order = attrgetter("created_at", "id")


def shown(repository: Repository) -> list[Event]:
    """Returns the events that the API shows now, newest first: at most 300, from the last 30 days. It leaves out events
    of deleted accounts, archived events, and events younger than `events_latency`.
    """
    now = repository.world.clock.stamp()
    first, last = after(now, -EVENTS_DAYS * 86_400), after(now, -repository.events_latency)
    found: list[Event] = []
    enough = ""
    for event in between(repository, first, last):
        if event.created_at < enough:
            break
        if not _is_hidden(event):
            found.append(event)
            if len(found) == EVENTS_LIMIT:
                # Those that follow can be later than this one by the shifts of both, and no more.
                enough = after(min(each.created_at for each in found), -2 * SHIFT)
    return sorted(found, key=order, reverse=True)[:EVENTS_LIMIT]


def _is_hidden(event: Event) -> bool:
    return event.account.deleted or (isinstance(event.source, RawEvent) and event.source.archived)


def between(repository: Repository, first: Stamp, last: Stamp) -> Iterator[Event]:
    """Yields all events from `first` to `last`, roughly newest first: two events may be swapped if they are seconds
    apart. Events of deleted accounts are included, because GH Archive recorded them before the deletion.
    """
    happenings = repository.kept("happenings", lambda: sorted(_happenings(repository), key=itemgetter(0)))
    start = bisect_left(happenings, after(first, -SHIFT), key=itemgetter(0))
    end = bisect_right(happenings, after(last, SHIFT), key=itemgetter(0))
    for place in reversed(range(start, end)):
        event = _event(repository, happenings[place])
        if event is not None and first <= event.created_at <= last:
            yield event


def _event(repository: Repository, happening: Happening) -> Event | None:
    """Returns the event about something that happened. Returns None if no account is known to have done it."""
    at, type_, action, source, account = happening
    if account is None:
        return None
    key = f"{type_} {action} {source.typename} {source.database_id}"
    seed = f"{repository.database_id} {key}"
    created_at = repository.event_moments.get(key)
    if created_at is None:
        shift = spread(seed, SHIFT + 1)
        created_at = after(at, shift)
        if created_at > repository.world.clock.stamp():
            created_at = after(at, -shift)
        repository.event_moments[key] = created_at
    number = int(moment(created_at).timestamp() - EPOCH) * 1_000_000 + spread(seed, 1_000_000)
    return Event(repository, number, type_, action, source, account, created_at)


def _happenings(repository: Repository) -> Iterator[Happening]:
    for star in (*repository.stars.values(), *repository.former_stars):
        yield Happening(star.starred_at, "WatchEvent", "started", star, star.account)
    for fork in repository.forks.values():
        yield Happening(fork.created_at, "ForkEvent", "forked", fork, repository.forked_by[fork.database_id])
    for release in repository.releases.values():
        if release.published_at is not None and not release.is_draft:
            who = release.author_account
            yield Happening(release.published_at, "CreateEvent", "tag", release, who)
            yield Happening(release.published_at, "ReleaseEvent", "published", release, who)
    for activity in repository.git.activity:
        kinds = {"branch_creation": "CreateEvent", "branch_deletion": "DeleteEvent"}
        kind = kinds.get(activity.activity_type, "PushEvent")
        yield Happening(activity.timestamp, kind, "branch", activity, activity.account)
    for raw in repository.raw_events:
        yield Happening(raw.created_at, raw.type, "", raw, raw.account)
    yield from _threads(repository)


def _threads(repository: Repository) -> Iterator[Happening]:
    for kind, threads in (("IssuesEvent", repository.issues), ("PullRequestEvent", repository.pull_requests)):
        for thread in threads.values():
            yield Happening(thread.created_at, kind, "opened", thread, thread.account)
            for event in thread.events:
                if event.typename in ACTIONS:
                    yield Happening(event.created_at, kind, ACTIONS[event.typename], event, event.account)
            for comment in thread.comments:
                yield Happening(comment.created_at, "IssueCommentEvent", "created", comment, comment.account)
    for pull in repository.pull_requests.values():
        for review in pull.reviews:
            if review.submitted_at is not None:
                yield Happening(review.submitted_at, "PullRequestReviewEvent", "created", review, review.account)
                for each in review.comments:
                    yield Happening(each.created_at, "PullRequestReviewCommentEvent", "created", each, each.account)
    for discussion in repository.discussions.values():
        yield Happening(discussion.created_at, "DiscussionEvent", "created", discussion, discussion.account)
