"""A repository with everything in it. Its lists have the orders that GitHub's lists have."""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal

from sandbox.github.world.accounts import Account
from sandbox.github.world.clock import Stamp
from sandbox.github.world.releases import RawEvent, RepositoryReleases, Star

Listing = Literal[
    "pull_requests", "issues", "discussions", "issue_comments", "review_comments", "stars", "forks", "releases"
]
Order = Literal["created_at", "updated_at", "starred_at"]
ORDERS: dict[Order, Callable[[Any], tuple[Stamp, int]]] = {
    "created_at": attrgetter("created_at", "database_id"),
    "updated_at": attrgetter("updated_at", "database_id"),
    "starred_at": attrgetter("starred_at", "database_id"),
}


@dataclass(slots=True, eq=False, repr=False)
class Repository(RepositoryReleases):
    """A repository with everything in it. Its items are in dicts by number or id; `ordered` returns them as sorted
    lists.

    `events_latency` is how many seconds pass until the API shows an event.
    """

    stars: dict[int, Star] = field(default_factory=dict)
    """Stars by the account's database id."""
    former_stars: list[Star] = field(default_factory=list)
    """Stars that were taken back; their events stay."""
    forks: dict[int, "Repository"] = field(default_factory=dict)
    forked_by: dict[int, Account] = field(default_factory=dict)
    """The person who made each fork, which an organization may own."""
    raw_events: list[RawEvent] = field(default_factory=list)
    """Events that have no other source in the world."""
    events_latency: float = 0
    event_moments: dict[str, Stamp] = field(default_factory=dict)
    """The time of each event, by its source; decided once, by `events.py`."""

    def ordered(self, kind: Listing, by: Order = "created_at") -> list[Any]:
        """Returns the items of one kind as a list in ascending order, cached until the next change. The caller must not
        change the list.
        """
        return self.kept((kind, by), lambda: sorted(getattr(self, kind).values(), key=ORDERS[by]))

    @property
    def stargazer_count(self) -> int:
        return len(self.stars)

    @property
    def fork_count(self) -> int:
        return len(self.shown_forks())

    def shown_forks(self) -> "list[Repository]":
        """Returns the forks that still exist, in order of creation."""
        return self.kept("shown forks", lambda: [each for each in self.ordered("forks") if each.state == "here"])

    def counts(self) -> dict[str, int]:
        """Returns how many items of each kind the repository has, by noun: `pull_requests`, `reviews`, `stars` and so
        on. Pending reviews and draft releases do not count. Merges count as pushes.
        """
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

    def star(self, account: Account, at: Stamp | None = None) -> Star:
        """Stars the repository for a user and returns the star. If the user has already starred the repository, returns
        the existing star. `at` is now by default. Raises `ValueError` if the account is not a user.
        """
        if account.typename != "User":
            raise ValueError(f"{account.login} is no user")
        with self.changed():
            if account.database_id not in self.stars:
                number = self.world.next_id("Star")
                self.stars[account.database_id] = Star(self, number, account, at or self.world.clock.stamp())
            return self.stars[account.database_id]

    def unstar(self, account: Account) -> None:
        """Takes the account's star back. The event about the star stays, and no new event is made. Raises `KeyError` if
        the account has not starred the repository.
        """
        with self.changed():
            self.former_stars.append(self.stars.pop(account.database_id))

    def fork(self, account: Account, at: Stamp | None = None, *, by: Account | None = None) -> "Repository":
        """Forks the repository for the account and returns the fork. If the account is an organization, `by` is the
        person who made the fork.
        """
        with self.changed():
            name, place = f"{account.login}/{self.name}", 0
            while self.world.is_present_name(name):
                place += 1
                name = f"{account.login}/{self.name}-{place}"
            made: Repository = self.world.add_repository(
                name, created_at=at, is_fork=True, parent=self, default_branch=self.default_branch
            )
            self.forks[made.database_id], self.forked_by[made.database_id] = made, by or account
            return made

    def add_event(
        self,
        type_: str,
        actor: Account | None,
        payload: dict[str, Any] | None = None,
        at: Stamp | None = None,
        *,
        archived: bool = False,
    ) -> RawEvent:
        """Adds an event of any type, such as `PublicEvent`, and returns it. `payload` is the event's whole payload.
        With `archived`, only GH Archive shows the event, and the API does not.
        """
        with self.changed():
            number = self.world.next_id("RawEvent")
            event = RawEvent(self, number, type_, actor, at or self.world.clock.stamp(), payload or {}, archived)
            self.raw_events.append(event)
            return event

    def lose(self, account: Account) -> None:
        """Removes the star and the forks of a deleted account, because GitHub removes them with the account."""
        with self.changed():
            if account.database_id in self.stars:
                self.unstar(account)
            for fork in self.forks.values():
                if fork.owner_account is account:
                    fork.become("gone")

    def empty(self) -> None:
        """Makes the repository empty: removes threads, discussions, commits, releases and raw events. Stars and forks
        stay, because a repository without commits can have them.
        """
        with self.changed():
            for thread in [*self.pull_requests.values(), *self.issues.values()]:
                self.drop(thread)
            for discussion in [*self.discussions.values()]:
                discussion.delete()
            self.git.clear()
            self.releases.clear()
            self.raw_events.clear()
            self.is_empty = True
