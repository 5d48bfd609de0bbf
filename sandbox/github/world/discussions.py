"""Discussions: their categories, comments, replies and answers, and how they change.

Attributes are named as in GitHub's GraphQL, in snake case. Every change holds the world's lock, as in `threads.py`. The
`updated_at` of a discussion and the `updated_at` of its comments are independent of each other.
"""

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, ClassVar

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account, present
from sandbox.github.world.clock import Stamp
from sandbox.github.world.pull_requests import RepositoryPullRequests
from sandbox.github.world.written import Written

CATEGORIES = {
    "Announcements": ":mega:",
    "General": ":speech_balloon:",
    "Ideas": ":bulb:",
    "Q&A": ":pray:",
    "Show and tell": ":raised_hands:",
}
"""The initial categories of a repository, with their emojis."""
ANSWERABLE = frozenset({"Q&A"})

_created = attrgetter("created_at", "database_id")


@dataclass(slots=True, eq=False, repr=False)
class DiscussionCategory:
    """A category of discussions. `emoji` is the name of an emoji between colons."""

    typename: ClassVar[str] = "DiscussionCategory"

    repository: "RepositoryDiscussions"
    database_id: int
    name: str
    description: str | None
    emoji: str
    is_answerable: bool
    created_at: Stamp
    updated_at: Stamp

    def node_id(self, new: bool) -> str:
        if new:
            return node_ids.new("DiscussionCategory", self.repository.database_id, self.database_id)
        return node_ids.old("DiscussionCategory", self.database_id)

    @property
    def slug(self) -> str:
        return self.name.lower().replace("&", "-").replace(" ", "-")

    def rename(self, name: str) -> None:
        """Renames the category. No discussion's `updated_at` changes."""
        with self.repository.changed():
            del self.repository.discussion_categories[self.name]
            self.name, self.updated_at = name, self.repository.world.clock.stamp()
            self.repository.discussion_categories[name] = self


@dataclass(slots=True, eq=False, repr=False)
class DiscussionComment(Written):
    """A comment on a discussion, or a reply to a comment. `reply_to` is the comment to which a reply belongs. It is
    None for a comment. A reply has no replies.
    """

    typename: ClassVar[str] = "DiscussionComment"

    discussion: "Discussion" = field(kw_only=True)
    reply_to: "DiscussionComment | None" = field(default=None, kw_only=True)
    replies: "list[DiscussionComment]" = field(default_factory=list, kw_only=True)
    upvote_count: int = field(default=1, kw_only=True)
    deleted_at: Stamp | None = field(default=None, kw_only=True)

    @property
    def repository(self) -> "RepositoryDiscussions":
        return self.discussion.repo

    @property
    def author(self) -> Account | None:
        return None if self.deleted_at else present(self.account)

    @property
    def is_answer(self) -> bool:
        return self.discussion.answer is self

    @property
    def resource_path(self) -> str:
        return f"{self.discussion.resource_path}#discussioncomment-{self.database_id}"

    def reply(
        self,
        author: Account | None,
        body: str,
        *,
        bump: bool = True,
        database_id: int | None = None,
        at: Stamp | None = None,
    ) -> "DiscussionComment":
        """Adds a reply to this comment and returns the reply. `bump` says whether the discussion's `updated_at` moves.
        The comment's `updated_at` stays. Raises `ValueError` if this comment is itself a reply.
        """
        if self.reply_to is not None:
            raise ValueError("there are two levels only")
        return self.discussion.comment(author, body, bump=bump, database_id=database_id, at=at, reply_to=self)

    def edit(self, body: str, *, bump: bool = True) -> None:
        """Changes the text. `bump` says whether the comment's `updated_at` moves. The discussion's `updated_at`
        stays.
        """
        with self.repository.changed():
            self.body = body
            if bump:
                self.updated_at = self.last_edited_at = self.world.clock.stamp()

    def upvote(self, votes: int = 1) -> None:
        """Adds upvotes. No `updated_at` changes."""
        with self.repository.changed():
            self.upvote_count += votes

    def mark_as_answer(self, by: Account | None = None) -> None:
        """Makes this comment the answer, and moves the discussion's `updated_at`. An earlier answer is no longer the
        answer. Raises `ValueError` if discussions of the category cannot have answers.
        """
        discussion = self.discussion
        if not discussion.category.is_answerable:
            raise ValueError(f"nothing in {discussion.category.name} is answered")
        with self.repository.changed():
            discussion.answer, discussion.answer_chosen_by_account = self, by
            discussion.answer_chosen_at = self.world.clock.stamp()
            discussion.bump()

    def delete(self) -> None:
        """Deletes the comment. The discussion's `updated_at` stays. If the comment has replies, it stays in the list,
        without text and author. If the comment was the answer, the discussion is no longer answered.
        """
        with self.repository.changed():
            if self.is_answer:
                self.discussion.unanswer(bump=False)
            if self.replies:
                self.body, self.deleted_at = "", self.world.clock.stamp()
                self.updated_at = self.deleted_at
                return
            siblings = self.reply_to.replies if self.reply_to else self.discussion.comments
            siblings.remove(self)
            self.world.forget(self)


@dataclass(slots=True, eq=False, repr=False)
class Discussion(Written):
    """A discussion. `comments` are its first-level comments, in order of creation. A comment's replies are in order of
    creation, too.
    """

    typename: ClassVar[str] = "Discussion"

    repo: "RepositoryDiscussions" = field(kw_only=True)
    number: int = field(kw_only=True)
    title: str = field(kw_only=True)
    category: DiscussionCategory = field(kw_only=True)
    locked: bool = field(default=False, kw_only=True)
    active_lock_reason: str | None = field(default=None, kw_only=True)
    upvote_count: int = field(default=1, kw_only=True)
    answer: DiscussionComment | None = field(default=None, kw_only=True)
    answer_chosen_at: Stamp | None = field(default=None, kw_only=True)
    answer_chosen_by_account: Account | None = field(default=None, kw_only=True)
    comments: list[DiscussionComment] = field(default_factory=list, kw_only=True)

    @property
    def repository(self) -> "RepositoryDiscussions":
        return self.repo

    @property
    def resource_path(self) -> str:
        return f"{self.repo.resource_path}/discussions/{self.number}"

    @property
    def is_answered(self) -> bool | None:
        """Whether the discussion has an answer. It is None if discussions of the category cannot have answers, as on
        GitHub.
        """
        return self.answer is not None if self.category.is_answerable else None

    @property
    def answer_chosen_by(self) -> Account | None:
        return present(self.answer_chosen_by_account)

    def bump(self) -> None:
        self.updated_at = self.world.clock.stamp()

    def edit(
        self, *, title: str | None = None, body: str | None = None, category: DiscussionCategory | None = None
    ) -> None:
        """Changes the title, the text or the category. If the new category has no answers, the discussion loses its
        answer.
        """
        with self.repo.changed():
            self.title = self.title if title is None else title
            if body is not None:
                self.body, self.last_edited_at = body, self.world.clock.stamp()
            if category is not None:
                self.category = category
                if not category.is_answerable:
                    self.unanswer()
            self.bump()

    def comment(
        self,
        author: Account | None,
        body: str,
        *,
        bump: bool = True,
        database_id: int | None = None,
        at: Stamp | None = None,
        reply_to: DiscussionComment | None = None,
    ) -> DiscussionComment:
        """Adds a comment and returns it. If `reply_to` is given, the new comment is a reply to `reply_to`. If `bump` is
        False, the discussion's `updated_at` stays, as it sometimes does on GitHub.
        """
        with self.repo.changed():
            at = at or self.world.clock.stamp()
            number = database_id or self.world.next_id("DiscussionComment")
            comment = DiscussionComment(
                number, author, "NONE", body, at, at, discussion=self, reply_to=reply_to, modern=self.modern
            )
            self.add(comment)
            if bump:
                self.bump()
            return comment

    def add(self, comment: DiscussionComment) -> None:
        self.world.remember(comment)
        insort(comment.reply_to.replies if comment.reply_to else self.comments, comment, key=_created)

    def unanswer(self, *, bump: bool = True) -> None:
        with self.repo.changed():
            self.answer = self.answer_chosen_at = self.answer_chosen_by_account = None
            if bump:
                self.bump()

    def upvote(self, votes: int = 1) -> None:
        """Adds upvotes. No `updated_at` changes."""
        with self.repo.changed():
            self.upvote_count += votes

    def lock(self, reason: str | None = None) -> None:
        with self.repo.changed():
            self.locked, self.active_lock_reason = True, reason
            self.bump()

    def unlock(self) -> None:
        with self.repo.changed():
            self.locked, self.active_lock_reason = False, None
            self.bump()

    def delete(self) -> None:
        """Deletes the discussion and everything in it. The discussion's number is not used again."""
        with self.repo.changed():
            self.repo.deleted.add(self.number)
            del self.repo.discussions[self.number]
            self.world.forget(self)
            for child in self.children():
                self.world.forget(child)

    def children(self) -> Iterator[DiscussionComment]:
        """Yields each comment, followed by its replies."""
        for comment in self.comments:
            yield comment
            yield from comment.replies


@dataclass(slots=True, eq=False, repr=False)
class RepositoryDiscussions(RepositoryPullRequests):
    """A repository's discussions and their categories."""

    has_discussions_enabled: bool = False
    discussions: dict[int, Discussion] = field(default_factory=dict)
    discussion_categories: dict[str, DiscussionCategory] = field(default_factory=dict)
    """Categories by name."""

    def discussion(self, number: int) -> Discussion:
        return self.discussions[number]

    def discussion_category(self, name: str, *, answerable: bool | None = None) -> DiscussionCategory:
        """Returns the category of that name. If the category does not exist, creates it. `answerable` says whether
        discussions of the new category can have answers. By default only those of Q&A can.
        """
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
        """Opens a discussion now and returns it. `category` is the name of a category, `fields` are fields of
        `Discussion`. Raises `ValueError` if discussions are switched off.
        """
        if not self.has_discussions_enabled:
            raise ValueError(f"{self.name_with_owner} has no discussions")
        with self.changed():
            given = self.new_thread("Discussion", author, title, body, fields)
            del given["state"]
            discussion = Discussion(category=self.discussion_category(category), **given)
            self.add_discussion(discussion)
            return discussion

    def add_discussion(self, discussion: Discussion) -> None:
        self.discussions[discussion.number] = discussion
        self.world.remember(discussion)
        for comment in discussion.children():
            self.world.remember(comment)

    def used_numbers(self) -> set[int]:
        return RepositoryPullRequests.used_numbers(self) | self.discussions.keys()
