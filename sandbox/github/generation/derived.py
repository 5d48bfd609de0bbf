"""Derives what a repository's export lacks, such as ids of comments, requested reviewers, timeline events and links.

The derived data depend on the export alone. Each loading of the same export derives the same data.
"""

import re
from collections.abc import Iterable
from random import Random
from typing import Any

from sandbox.github.world.accounts import Account
from sandbox.github.world.clock import Stamp, after, moment
from sandbox.github.world.labels import Milestone
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.repositories import Repository
from sandbox.github.world.review_requests import ReviewRequest
from sandbox.github.world.threads import Issue, Thread, TimelineEvent
from sandbox.github.world.world import World

TEAMS = ("chairs", "editors")
CLOSING = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)\b", re.IGNORECASE)
MENTION = re.compile(r"(?<![\w/&])#(\d+)\b")
PERSON = re.compile(r"(?<![\w`/])@([A-Za-z0-9][A-Za-z0-9-]*)")


class Derived:
    """Derives the data that a repository's export lacks, while the export is loaded."""

    repository: Repository
    milestones: list[Milestone]

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.people: list[Account] = []

    def _decorate(self, thread: Thread, dice: Random) -> None:
        """Adds events of the types that any thread can have, such as labels, assignees and milestones."""
        for label in thread.labels:
            self._event(thread, dice, "LabeledEvent", self._somebody(dice), self._moment(dice, thread), label=label)
        if self.repository.labels and dice.random() < 0.05:
            label = dice.choice(list(self.repository.labels.values()))
            if label not in thread.labels:
                for typename, at in (("LabeledEvent", thread.created_at), ("UnlabeledEvent", thread.updated_at)):
                    self._event(thread, dice, typename, self._somebody(dice), at, label=label)
        for assignee in thread.assignees:
            self._event(
                thread, dice, "AssignedEvent", self._somebody(dice), self._moment(dice, thread), assignee=assignee
            )
        if dice.random() < 0.2:
            thread.milestone = dice.choice(self.milestones)
            self._event(
                thread,
                dice,
                "MilestonedEvent",
                self._somebody(dice),
                self._moment(dice, thread),
                milestone_title=thread.milestone.title,
            )
        if dice.random() < 0.08:
            self._event(
                thread,
                dice,
                "RenamedTitleEvent",
                thread.account,
                self._moment(dice, thread),
                previous_title=f"WIP: {thread.title}",
                current_title=thread.title,
            )
        if thread.closed_at and dice.random() < 0.04:
            first, second = sorted(self._between(dice, thread.created_at, thread.closed_at) for _ in range(2))
            self._event(thread, dice, "ClosedEvent", self._somebody(dice), first)
            self._event(thread, dice, "ReopenedEvent", self._somebody(dice), second)
        if dice.random() < 0.01:
            thread.locked, thread.active_lock_reason = True, dice.choice(("RESOLVED", "TOO_HEATED", None))
            self._event(
                thread,
                dice,
                "LockedEvent",
                self._somebody(dice),
                thread.updated_at,
                lock_reason=thread.active_lock_reason,
            )

    def _request_reviews(self, pull_request: PullRequest, dice: Random) -> None:
        asked = pull_request.account
        for review in pull_request.reviews:
            if review.account not in (None, asked) and dice.random() < 0.3:
                at = self._between(dice, pull_request.created_at, review.created_at)
                self._event(pull_request, dice, "ReviewRequestedEvent", asked, at, reviewer=review.account)
        waiting: list[Any] = []
        if self.people and dice.random() < 0.15:
            waiting += [person for person in dice.sample(self.people, min(2, len(self.people))) if person is not asked]
        if dice.random() < 0.05:
            waiting.append(self.world.team(self.name.partition("/")[0], dice.choice(TEAMS)))
        for reviewer in waiting:
            request = ReviewRequest(pull_request, self._id(dice, "ReviewRequest"), reviewer, dice.random() < 0.2)
            pull_request.review_requests.append(request)
            at = self._between(dice, pull_request.created_at, pull_request.updated_at)
            self._event(pull_request, dice, "ReviewRequestedEvent", asked, at, reviewer=reviewer)
        if waiting and dice.random() < 0.2:
            at = self._between(dice, pull_request.created_at, pull_request.updated_at)
            self._event(pull_request, dice, "ReviewRequestRemovedEvent", asked, at, reviewer=self._somebody(dice))

    def _end(self, pull_request: PullRequest, dice: Random) -> None:
        if dice.random() < 0.08:
            before = self.world.oid(f"{self.name}#{pull_request.number} before")
            at = self._between(dice, pull_request.created_at, pull_request.closed_at or pull_request.updated_at)
            self._event(
                pull_request,
                dice,
                "HeadRefForcePushedEvent",
                pull_request.account,
                at,
                before_oid=before,
                after_oid=pull_request.head_ref_oid,
            )
        if dice.random() < 0.05:
            at = self._between(dice, pull_request.created_at, pull_request.closed_at or pull_request.updated_at)
            self._event(pull_request, dice, "ConvertToDraftEvent", pull_request.account, pull_request.created_at)
            self._event(pull_request, dice, "ReadyForReviewEvent", pull_request.account, at)
        if pull_request.merged_at:
            self._event(
                pull_request,
                dice,
                "MergedEvent",
                pull_request.merged_by_account,
                pull_request.merged_at,
                oid=pull_request.merge_commit_oid,
                merge_ref_name=pull_request.base_ref_name,
            )
        if pull_request.closed_at:
            closer = pull_request.merged_by_account or self._somebody(dice)
            self._event(pull_request, dice, "ClosedEvent", closer, pull_request.closed_at)
            if pull_request.head_repository is self.repository and dice.random() < 0.5:
                self._event(
                    pull_request,
                    dice,
                    "HeadRefDeletedEvent",
                    closer,
                    pull_request.closed_at,
                    head_ref_name=pull_request.head_ref_name,
                )

    def _link(self, thread: Thread) -> None:
        """Adds the events that the texts of this thread cause. Each thread that a text mentions gets a
        `CrossReferencedEvent`. Each person that the body mentions gets a `MentionedEvent` and a `SubscribedEvent` in
        this thread.
        """
        dice = Random(f"{self.name}#{thread.number} links")
        closing = set(_numbers(CLOSING, thread.body)) if isinstance(thread, PullRequest) else set()
        done = {thread.number}
        people = {person.login.lower(): person for person in self.people}
        for text, account, at in _texts(thread):
            for number in _numbers(MENTION, text):
                target = self.repository.issues.get(number) or self.repository.pull_requests.get(number)
                if target is None or number in done:
                    continue
                done.add(number)
                closes = number in closing and isinstance(target, Issue) and text is thread.body
                self._event(target, dice, "CrossReferencedEvent", account, at, source=thread, will_close_target=closes)
                if closes and isinstance(target, Issue) and isinstance(thread, PullRequest):
                    self._close(thread, target)
        for login in dict.fromkeys(PERSON.findall(thread.body)):
            person = people.get(login.lower())
            if person is not None and person is not thread.account:
                self._event(thread, dice, "MentionedEvent", person, thread.created_at)
                self._event(thread, dice, "SubscribedEvent", person, thread.created_at)

    @staticmethod
    def _close(pull_request: PullRequest, issue: Issue) -> None:
        pull_request.closes.append(issue)
        issue.closed_by.append(pull_request)
        for event in issue.events:
            merged = pull_request.merged_at
            if event.typename == "ClosedEvent" and merged and event.created_at[:16] == merged[:16]:
                event.data["closer"] = pull_request

    def _event(
        self, thread: Thread, dice: Random, typename: str, actor: Account | None, at: Stamp, **data: Any
    ) -> None:
        event = TimelineEvent(typename, thread, self._id(dice, typename), actor, at, data)
        thread.events.append(event)
        self.world.remember(event)

    def _id(self, dice: Random, typename: str) -> int:
        number = dice.randrange(10_000_000, 2**31 - 1)
        while self.world.known(typename, number):
            number += 1
        return number

    def _somebody(self, dice: Random) -> Account | None:
        return dice.choice(self.people) if self.people else None

    def _moment(self, dice: Random, thread: Thread) -> Stamp:
        return self._between(dice, thread.created_at, thread.updated_at)

    @staticmethod
    def _between(dice: Random, start: Stamp, end: Stamp) -> Stamp:
        seconds = (moment(end) - moment(start)).total_seconds()
        return after(start, int(seconds * dice.random()))


def _texts(thread: Thread) -> Iterable[tuple[str, Account | None, Stamp]]:
    yield thread.body, thread.account, thread.created_at
    for comment in thread.comments:
        yield comment.body, comment.account, comment.created_at


def _numbers(pattern: re.Pattern[str], text: str) -> list[int]:
    return [int(number) for number in pattern.findall(text) if len(number) < 9]
