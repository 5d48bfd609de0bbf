"""Loads exports of real repositories into a world. An export is a JSON file with the keys `repo`, `labels`, `issues`
and `pulls`. It may be gzipped.

The stand-in serves an export's content unchanged. `derived.py` adds the data that an export lacks.
"""

import gzip
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import orjson

from sandbox.github.generation.derived import Derived
from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account
from sandbox.github.world.chance import spread
from sandbox.github.world.clock import after
from sandbox.github.world.commits import Commit
from sandbox.github.world.labels import Milestone
from sandbox.github.world.pull_requests import PullRequest, Review, ReviewComment
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Issue, IssueComment, Thread, created
from sandbox.github.world.world import World

APPS = frozenset({"dependabot", "dependabot-preview", "github-actions", "renovate", "weekly-digest", "stale"})
"""Logins of bots on GitHub. An export does not say that they are bots."""
FILES = ("draft.md", "README.md", "Makefile", "src/tree.py", "test-vectors.md", ".circleci/config.yml")
MILESTONES = ("Interim meeting", "Last call", "Next draft")


def read(path: Path) -> dict[str, Any]:
    """Returns the content of an export file. The file may be gzipped."""
    raw = path.read_bytes()
    content: dict[str, Any] = orjson.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    return content


def load(world: World, path: Path) -> Repository:
    """Adds the repository of an export file to the world. Raises `ValueError` if the world has a repository of that
    name.
    """
    return from_content(world, read(path))


def from_content(world: World, content: dict[str, Any]) -> Repository:
    """Adds the repository of an export to the world. `content` is the parsed JSON of the export file. Raises
    `ValueError` if the world has a repository of that name.
    """
    return _Export(world, content).load()


class _Export(Derived):
    def __init__(self, world: World, content: dict[str, Any]) -> None:
        super().__init__(world, content["repo"])
        self.content = content

    def load(self) -> Repository:
        threads = [*self.content["issues"], *self.content["pulls"]]
        first = min((thread["createdAt"] for thread in threads), default=self.content["timestamp"][:19] + "Z")
        with self.world.lock:
            self.repository = self.world.add_repository(
                self.name, database_id=self._repository_id(), created_at=first, default_branch=self._branch()
            )
            self.repository.updated_at = max((thread["updatedAt"] for thread in threads), default=first)
            for label in self.content["labels"]:
                self.repository.label(label["name"], label["color"], label["description"])
            self.people = [account for login in self._logins() if (account := self._account(login))]
            self.milestones = [self._milestone(number, title) for number, title in enumerate(MILESTONES, 1)]
            for raw in self.content["issues"]:
                self.repository.add_issue(self._issue(raw))
            for raw in self.content["pulls"]:
                self.repository.add_pull_request(self._pull_request(raw))
            for thread in self._threads():
                self._link(thread)
            for thread in self._threads():
                thread.events.sort(key=created)
            self._commit_history()
            self.repository.revision += 1
        return self.repository

    def _threads(self) -> list[Thread]:
        return [*self.repository.issues.values(), *self.repository.pull_requests.values()]

    def _repository_id(self) -> int:
        for kind in ("issues", "pulls"):
            for raw in self.content[kind]:
                if "_" in raw["id"]:
                    return node_ids.repository_of(raw["id"])
        return 10_000_000 + spread(self.name, 900_000_000)

    def _branch(self) -> str:
        bases = [raw["baseRefName"] for raw in self.content["pulls"]]
        return bases[-1] if bases else "main"

    def _logins(self) -> list[str]:
        logins = {login for kind in ("issues", "pulls") for raw in self.content[kind] for login in _who(raw)}
        return sorted(logins)

    def _account(self, login: str | None) -> Account | None:
        if not login:
            return None
        typename = "Bot" if login in APPS else "User"
        number = 1_000 + spread(f"account {login}", 150_000_000)
        while login.lower() not in self.world.accounts and self.world.known(typename, number):
            number += 1
        return self.world.account(login, typename, number)

    def _milestone(self, number: int, title: str) -> Milestone:
        milestone = self.repository.milestone(title, self.people[number % len(self.people)] if self.people else None)
        milestone.due_on = after(milestone.created_at, number * 86_400 * 365)
        return milestone

    def _thread(self, raw: dict[str, Any]) -> dict[str, Any]:
        parsed = node_ids.parse(raw["id"])
        assert parsed is not None, raw["id"]
        return {
            "repo": self.repository,
            "database_id": parsed.key,
            "modern": "_" in raw["id"],
            "number": raw["number"],
            "account": self._account(raw["author"]),
            "author_association": raw["authorAssociation"],
            "title": raw["title"],
            "body": raw["body"],
            "state": raw["state"],
            "created_at": raw["createdAt"],
            "updated_at": raw["updatedAt"],
            "closed_at": raw["closedAt"],
            "labels": [self.repository.labels[name] for name in raw["labels"]],
            "assignees": [account for login in raw["assignees"] if (account := self._account(login))],
        }

    def _issue(self, raw: dict[str, Any]) -> Issue:
        issue = Issue(**self._thread(raw))
        dice = Random(f"{self.name}#{issue.number}")
        if issue.closed:
            issue.state_reason = "NOT_PLANNED" if dice.random() < 0.1 else "COMPLETED"
        self._add_comments(issue, raw, dice)
        self._decorate(issue, dice)
        if issue.closed_at:
            self._event(
                issue, dice, "ClosedEvent", self._somebody(dice), issue.closed_at, state_reason=issue.state_reason
            )
        if dice.random() < 0.02:
            self._event(issue, dice, "PinnedEvent", self._somebody(dice), issue.created_at)
            self._event(issue, dice, "UnpinnedEvent", self._somebody(dice), issue.updated_at)
        return issue

    def _pull_request(self, raw: dict[str, Any]) -> PullRequest:
        head = raw["headRepository"]
        pull_request = PullRequest(
            **self._thread(raw),
            merged_at=raw["mergedAt"],
            merged_by_account=self._account(raw["mergedBy"]),
            merge_commit_oid=raw["mergeCommit"] and raw["mergeCommit"]["oid"],
            base_ref_name=raw["baseRefName"],
            base_ref_oid=raw["baseRefOid"],
            head_ref_name=raw["headRefName"],
            head_ref_oid=raw["headRefOid"],
            head_repository=self._fork(head) if head else None,
        )
        dice = Random(f"{self.name}#{pull_request.number}")
        pull_request.additions = dice.randrange(1, 400)
        pull_request.deletions = dice.randrange(0, 200)
        pull_request.changed_files = dice.randrange(1, 5)
        pull_request.commit_count = dice.randrange(1, 9)
        self._add_comments(pull_request, raw, dice)
        self._decorate(pull_request, dice)
        pull_request.reviews = sorted((self._review(pull_request, each, dice) for each in raw["reviews"]), key=created)
        self._thread_review_comments(pull_request)
        self._request_reviews(pull_request, dice)
        self._end(pull_request, dice)
        return pull_request

    def _fork(self, name: str) -> Repository:
        if name.lower() == self.name.lower():
            return self.repository
        self._account(name.partition("/")[0])
        return self.world.find(name) or self.world.add_repository(
            name,
            database_id=10_000_000 + spread(name, 900_000_000),
            created_at=self.repository.created_at,
            is_fork=True,
            parent=self.repository,
        )

    def _review(self, pull_request: PullRequest, raw: dict[str, Any], dice: Random) -> Review:
        parsed = node_ids.parse(raw["id"])
        assert parsed is not None and isinstance(parsed.key, int), raw["id"]
        abbreviated = raw["commit"]["abbreviatedOid"] if raw["commit"] else pull_request.head_ref_oid
        review = Review(
            parsed.key,
            self._account(raw["author"]),
            raw["authorAssociation"],
            raw["body"],
            raw["createdAt"],
            raw["updatedAt"],
            pull_request=pull_request,
            state=raw["state"],
            submitted_at=raw["createdAt"],
            oid=(abbreviated + self.world.oid(f"{self.name} {abbreviated}"))[:40],
            modern="_" in raw["id"],
        )
        for each in raw["comments"]:
            at = each["originalPosition"]
            path = FILES[spread(f"{pull_request.number} {at // 100}", len(FILES))]
            comment = ReviewComment(
                self._id(dice, "PullRequestReviewComment"),
                review.account,
                review.author_association,
                each["body"],
                each["createdAt"],
                each["updatedAt"],
                review=review,
                path=path,
                position=None if dice.random() < 0.4 else at,
                original_position=at,
                diff_hunk=f"@@ -{at},7 +{at},9 @@ {path}\n context\n-line {at}\n+line {at}",
                original_oid=review.oid,
                modern=review.modern,
            )
            self.repository.add_review_comment(comment)
        return review

    @staticmethod
    def _thread_review_comments(pull_request: PullRequest) -> None:
        """Makes all review comments on a line replies to the first comment on that line."""
        first: dict[int, ReviewComment] = {}
        for comment in sorted(pull_request.review_comments(), key=created):
            root = first.setdefault(comment.original_position, comment)
            comment.reply_to = root if root is not comment else None
            comment.path = root.path

    def _add_comments(self, thread: Thread, raw: dict[str, Any], dice: Random) -> None:
        for each in raw["comments"]:
            comment = IssueComment(
                self._id(dice, "IssueComment"),
                self._account(each["author"]),
                each["authorAssociation"],
                each["body"],
                each["createdAt"],
                each["updatedAt"],
                thread=thread,
                modern=thread.modern,
            )
            self.repository.add_issue_comment(comment)

    def _commit_history(self) -> None:
        """Creates one commit for each merged pull request, each on top of the previous commit."""
        git, head = self.repository.git, None
        merged = [each for each in self.repository.pull_requests.values() if each.merged_at and each.merge_commit_oid]
        for pull_request in sorted(merged, key=lambda each: each.merged_at or ""):
            oid = pull_request.merge_commit_oid or ""
            if oid in git.commits:
                continue
            head = Commit(
                self.repository,
                oid,
                f"{pull_request.title} (#{pull_request.number})",
                pull_request.merged_at or "",
                pull_request.merged_by_account,
                parents=(head,) if head else (),
            )
            git.branches[self.repository.default_branch] = git.add(head)


def _who(raw: dict[str, Any]) -> Iterable[str]:
    """Returns the logins of all participants in a thread."""
    named = [raw["author"], *raw["assignees"], raw.get("mergedBy")]
    named += [comment["author"] for comment in raw["comments"]]
    named += [review["author"] for review in raw.get("reviews", ())]
    return (login for login in named if login)
