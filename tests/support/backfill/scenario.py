"""A scenario: what happens to a repository while it is swept, as data. hypothesis draws it, and its repr describes a
failure.

A data type has its name in `DATA_TYPES`, its size in `plans`, and a function for each thing that can happen to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

from hypothesis import strategies as st

from messages import DataType
from sandbox.github.faults import (
    BadCredentials,
    BadGateway,
    Effect,
    GatewayTimeout,
    NullNode,
    PrimaryLimit,
    Reset,
    ResourceLimits,
    SecondaryLimit,
    ServerError,
    SomethingWentWrong,
    Truncated,
)
from sandbox.github.generation import Plan
from sandbox.github.world.accounts import Account, Team
from sandbox.github.world.discussions import Discussion, DiscussionComment
from sandbox.github.world.pull_requests import PullRequest, Review
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Issue, Thread

T = TypeVar("T")
DATA_TYPES: tuple[DataType, ...] = ("pull_requests", "issues", "discussions")
NAME = "acme/property"
EVER = 10_000


class _Brief:
    """A dataclass whose repr leaves out fields with their default."""

    def __repr__(self) -> str:
        return _brief(self)


def _brief(thing: Any) -> str:
    shown = {
        each.name: getattr(thing, each.name) for each in fields(thing) if getattr(thing, each.name) != each.default
    }
    given = (f"{name}={_brief(value) if isinstance(value, Plan) else repr(value)}" for name, value in shown.items())
    return f"{type(thing).__name__}({', '.join(given)})"


@dataclass(frozen=True, repr=False)
class Do(_Brief):
    """Something that happens at the `at`-th request of its job, before it is answered. `pick` chooses which object it
    happens to.
    """

    at: int
    what: str
    pick: int = 0


@dataclass(frozen=True, repr=False)
class Break(_Brief):
    """A fault that the `times` requests after the `at`-th one meet."""

    at: int
    fault: str
    times: int = 1


@dataclass(frozen=True, repr=False)
class Kill(_Brief):
    """A kill while the `at`-th request is answered, or when the `at`-th transaction of a life is committed."""

    at: int
    where: Literal["request", "before commit", "after commit"] = "request"


Step = Do | Break | Kill


@dataclass(frozen=True, repr=False)
class Job(_Brief):
    """One job. `steps` that would come after its last request happen after it. `pause` is the number of seconds between
    the job before and this one.
    """

    days: int = EVER
    steps: tuple[Step, ...] = ()
    pause: int = 7_200
    fresh: bool = False


@dataclass(frozen=True, repr=False)
class Scenario(_Brief):
    """A whole scenario. `tick` is the number of seconds that pass with each request; with 0, everything happens within
    one second of GitHub's clock.
    """

    plan: Plan
    jobs: tuple[Job, ...] = (Job(),)
    tick: int = 1
    slice_pages: int = 20
    most_threads: int = 0
    """GitHub gives up on larger pages, if it is not 0: short histories have many pages then."""
    listed_from: int = 100
    """Reviews from which on their comments come by one list of all of them, in pages of at most `most_listed`."""
    most_listed: int = 0
    settle: int = 7_200
    """The seconds before the last job, in which nothing happens any more."""
    ends_fresh: bool = False


# --- what people do


class Choice:
    """Chooses, always the same for the same number. 0 always chooses the first."""

    def __init__(self, number: int) -> None:
        self._number = number

    def of(self, things: Sequence[T]) -> T:
        """Returns one of the things. Raises `Nothing` if there are none."""
        if not things:
            raise Nothing
        self._number, place = divmod(self._number, len(things))
        return things[place]


class Nothing(Exception):
    """Raised if there is no object to which the thing can happen."""


Action = Callable[[Repository, Choice], object]
ACTIONS: dict[str, Action] = {}


def action(do: Action) -> Action:
    ACTIONS[do.__name__.rstrip("_").replace("_", " ")] = do
    return do


def _latest(things: Sequence[T]) -> list[T]:
    return sorted(things, key=lambda each: (each.updated_at, each.database_id), reverse=True)  # type: ignore[attr-defined]


def _thread(repo: Repository, choice: Choice) -> Thread:
    threads: list[Thread] = [*repo.pull_requests.values(), *repo.issues.values()]
    return choice.of(_latest(threads))


def _pull(repo: Repository, choice: Choice) -> PullRequest:
    return choice.of(_latest(list(repo.pull_requests.values())))


def _open_pull(repo: Repository, choice: Choice) -> PullRequest:
    return choice.of(_latest([each for each in repo.pull_requests.values() if not each.closed]))


def _issue(repo: Repository, choice: Choice) -> Issue:
    return choice.of(_latest(list(repo.issues.values())))


def _review(repo: Repository, choice: Choice) -> Review:
    """Returns a submitted review; only its author can do something with a draft."""
    pulls = _latest(list(repo.pull_requests.values()))
    return choice.of([each for pull in pulls for each in pull.reviews if each.state != "PENDING"])


def _discussion(repo: Repository, choice: Choice) -> Discussion:
    return choice.of(_latest(list(repo.discussions.values())))


def _discussion_comment(repo: Repository, choice: Choice) -> DiscussionComment:
    return choice.of(list(choice.of(_latest([each for each in repo.discussions.values() if each.comments])).children()))


def _someone(repo: Repository, choice: Choice) -> Account:
    accounts = [each for each in repo.world.accounts.values() if each.typename in ("User", "Bot")]
    return choice.of(sorted(accounts, key=lambda each: each.database_id))


def _user(repo: Repository, choice: Choice) -> Account:
    """Returns an account other than the one whose token is used."""
    users = [each for each in repo.world.accounts.values() if each.typename == "User" and each.login != "viewer"]
    return choice.of(sorted(users, key=lambda each: each.database_id))


@action
def edit(repo: Repository, choice: Choice) -> None:
    thread = _thread(repo, choice)
    thread.edit(title=f"{thread.title[:40]} edited", body="edited \x00 \N{SAUROPOD}", by=_someone(repo, choice))


@action
def comment(repo: Repository, choice: Choice) -> None:
    _thread(repo, choice).comment(_someone(repo, choice), "commented")


@action
def comment_silently(repo: Repository, choice: Choice) -> None:
    """Adds a comment without changing the thread's updatedAt, as GitHub sometimes does."""
    _thread(repo, choice).comment(_someone(repo, choice), "silent", bump=False)


@action
def flood(repo: Repository, choice: Choice) -> None:
    """Adds more children than one page of a connection holds."""
    thread, someone = _thread(repo, choice), _someone(repo, choice)
    for number in range(101):
        thread.comment(someone, f"flood {number}")


@action
def flood_with_reviews(repo: Repository, choice: Choice) -> None:
    pull, someone = _pull(repo, choice), _someone(repo, choice)
    for number in range(101):
        pull.review(someone, "COMMENTED", f"flood {number}", comments=("on a line",))


@action
def edit_comment(repo: Repository, choice: Choice) -> None:
    choice.of(_latest(list(repo.issue_comments.values()))).edit("edited comment")


@action
def delete_comment(repo: Repository, choice: Choice) -> None:
    comment = choice.of(_latest(list(repo.issue_comments.values())))
    comment.delete(by=choice.of((None, _someone(repo, choice))))


@action
def delete_comment_and_edit(repo: Repository, choice: Choice) -> None:
    comment = choice.of(_latest(list(repo.issue_comments.values())))
    comment.delete()
    comment.thread.edit(body="a comment less")


@action
def close_or_reopen(repo: Repository, choice: Choice) -> None:
    thread, someone = _thread(repo, choice), _someone(repo, choice)
    if thread.state == "CLOSED":
        thread.reopen(someone)
    elif not thread.closed:
        thread.close(someone)


@action
def merge(repo: Repository, choice: Choice) -> None:
    _open_pull(repo, choice).merge(_someone(repo, choice))


@action
def label(repo: Repository, choice: Choice) -> None:
    _thread(repo, choice).label(choice.of(("new label", "bug")), _someone(repo, choice))


@action
def unlabel(repo: Repository, choice: Choice) -> None:
    thread = choice.of(_latest([each for each in [*repo.pull_requests.values(), *repo.issues.values()] if each.labels]))
    thread.unlabel(choice.of(thread.labels), _someone(repo, choice))


@action
def assign(repo: Repository, choice: Choice) -> None:
    thread, user = _thread(repo, choice), _user(repo, choice)
    if user in thread.assignees:
        thread.unassign(user)
    else:
        thread.assign(user)


@action
def review(repo: Repository, choice: Choice) -> None:
    state = choice.of(("APPROVED", "COMMENTED", "PENDING"))
    _pull(repo, choice).review(_someone(repo, choice), state, "a review", comments=("on a line", "on another"))


@action
def submit_review(repo: Repository, choice: Choice) -> None:
    choice.of(
        [each for pull in repo.pull_requests.values() for each in pull.reviews if each.state == "PENDING"]
    ).submit()


@action
def dismiss_review(repo: Repository, choice: Choice) -> None:
    _review(repo, choice).dismiss(_someone(repo, choice), "no longer true")


@action
def edit_review(repo: Repository, choice: Choice) -> None:
    _review(repo, choice).edit("another word")


@action
def review_comment(repo: Repository, choice: Choice) -> None:
    _review(repo, choice).comment(_someone(repo, choice), "on a line", bump=choice.of((True, False)))


@action
def reply_to_review_comment(repo: Repository, choice: Choice) -> None:
    root = choice.of(
        _latest([each for each in repo.review_comments.values() if each.reply_to is None and each.state == "SUBMITTED"])
    )
    root.review.comment(_someone(repo, choice), "a reply", reply_to=root, bump=choice.of((True, False)))


@action
def edit_review_comment(repo: Repository, choice: Choice) -> None:
    choice.of(_latest(list(repo.review_comments.values()))).edit("edited review comment")


@action
def delete_review_comment(repo: Repository, choice: Choice) -> None:
    comment = choice.of(_latest(list(repo.review_comments.values())))
    comment.delete()
    if choice.of((True, False)):
        comment.pull_request.edit(body="a review comment less")


@action
def lose_review(repo: Repository, choice: Choice) -> None:
    """Deletes a review without a text of its own, as GitHub does when its last comment is deleted."""
    lost = _review(repo, choice)
    with repo.changed():
        for each in list(lost.comments):
            each.delete()
        lost.pull_request.reviews.remove(lost)
        repo.world.forget(lost)
        lost.pull_request.bump()


@action
def request_review(repo: Repository, choice: Choice) -> None:
    pull = _pull(repo, choice)
    reviewers: list[Account | Team] = [_user(repo, choice), repo.world.team(repo.owner.login, "core")]
    reviewer = choice.of(reviewers)
    if any(each.reviewer is reviewer for each in pull.review_requests):
        pull.withdraw_request(reviewer)
    else:
        pull.request_review(reviewer)


@action
def force_push(repo: Repository, choice: Choice) -> None:
    _pull(repo, choice).force_push(_someone(repo, choice))


@action
def outdate(repo: Repository, choice: Choice) -> None:
    choice.of(_latest(list(repo.review_comments.values()))).outdate()


@action
def link(repo: Repository, choice: Choice) -> None:
    pull, issue = _pull(repo, choice), _issue(repo, choice)
    if issue not in pull.closes:
        pull.will_close(issue)


@action
def open_issue(repo: Repository, choice: Choice) -> None:
    repo.open_issue(_someone(repo, choice), "a new issue", "body")


@action
def open_many_issues(repo: Repository, choice: Choice) -> None:
    """Opens more issues than a page of a listing holds, all in one second."""
    someone = _someone(repo, choice)
    for number in range(101):
        repo.open_issue(someone, f"issue {number} of many")


@action
def edit_all(repo: Repository, choice: Choice) -> None:
    """Changes every thread, as when a label is added to all of them."""
    someone = _someone(repo, choice)
    for thread in [*repo.pull_requests.values(), *repo.issues.values()]:
        thread.label("of all", someone)
    for discussion in repo.discussions.values():
        discussion.edit(body="edited with all")


@action
def open_pull_request(repo: Repository, choice: Choice) -> None:
    repo.open_pull_request(_someone(repo, choice), "a new pull request", "body")


@action
def delete_thread(repo: Repository, choice: Choice) -> None:
    _issue(repo, choice).delete()


@action
def transfer_issue(repo: Repository, choice: Choice) -> None:
    issue = _issue(repo, choice)
    elsewhere = repo.world.find("acme/elsewhere") or repo.world.add_repository("acme/elsewhere")
    issue.transfer(elsewhere, _someone(repo, choice))


@action
def open_discussion(repo: Repository, choice: Choice) -> None:
    if not repo.has_discussions_enabled:
        raise Nothing
    repo.open_discussion(_someone(repo, choice), "a new discussion", category=choice.of(("Q&A", "General")))


@action
def edit_discussion(repo: Repository, choice: Choice) -> None:
    category = repo.discussion_category(choice.of(("Q&A", "Ideas")))
    _discussion(repo, choice).edit(title="edited", body="edited", category=category)


@action
def comment_on_discussion(repo: Repository, choice: Choice) -> None:
    bump = choice.of((True, False))
    _discussion(repo, choice).comment(_someone(repo, choice), "a word", bump=bump)


@action
def reply_in_discussion(repo: Repository, choice: Choice) -> None:
    bump, comment = choice.of((True, False)), _discussion_comment(repo, choice)
    (comment.reply_to or comment).reply(_someone(repo, choice), "a reply", bump=bump)


@action
def flood_discussion(repo: Repository, choice: Choice) -> None:
    """Adds more than a page of comments to a discussion, and of replies to the first comment."""
    discussion, someone = _discussion(repo, choice), _someone(repo, choice)
    comments = [discussion.comment(someone, f"flood {number}") for number in range(101)]
    for number in range(101):
        comments[0].reply(someone, f"flood {number}")


@action
def edit_discussion_comment(repo: Repository, choice: Choice) -> None:
    _discussion_comment(repo, choice).edit("edited")


@action
def delete_discussion_comment(repo: Repository, choice: Choice) -> None:
    comment = _discussion_comment(repo, choice)
    comment.delete()
    if choice.of((True, False)):
        comment.discussion.edit(body="a comment less")


@action
def answer(repo: Repository, choice: Choice) -> None:
    comment = _discussion_comment(repo, choice)
    if comment.discussion.category.is_answerable and not comment.deleted_at:
        comment.mark_as_answer(_someone(repo, choice))


@action
def unanswer(repo: Repository, choice: Choice) -> None:
    choice.of(_latest([each for each in repo.discussions.values() if each.answer])).unanswer()


@action
def upvote(repo: Repository, choice: Choice) -> None:
    voted_for: list[Discussion | DiscussionComment] = [_discussion(repo, choice), _discussion_comment(repo, choice)]
    choice.of(voted_for).upvote()


@action
def delete_discussion(repo: Repository, choice: Choice) -> None:
    _discussion(repo, choice).delete()


@action
def rename_account(repo: Repository, choice: Choice) -> None:
    user = _user(repo, choice)
    user.rename(f"renamed-{repo.world.next_id('Rename')}")


@action
def take_over_login(repo: Repository, choice: Choice) -> None:
    """Renames an account, and gives its old login to another account."""
    former, heir = _user(repo, choice), _user(repo, choice)
    if former is heir:
        raise Nothing
    login = former.login
    former.rename(f"renamed-{repo.world.next_id('Rename')}")
    heir.rename(login)


@action
def delete_account(repo: Repository, choice: Choice) -> None:
    _user(repo, choice).delete()


@action
def rename_repository(repo: Repository, choice: Choice) -> None:
    """Renames the repository; sometimes its owner changes, too."""
    repo.rename(f"{choice.of(('acme', 'bought'))}/{repo.name}-{repo.world.next_id('Rename')}")


@action
def take_over_repository_name(repo: Repository, choice: Choice) -> None:
    """Gives the repository's old name to another repository."""
    former = repo.name_with_owner
    rename_repository(repo, choice)
    other = repo.world.add_repository(former)
    other.open_issue(None, "of another repository").comment(None, "of another repository")


# --- what goes wrong

FAULTS: dict[str, Callable[[], tuple[Effect, dict[str, object]]]] = {
    "502": lambda: (BadGateway(), {}),
    "504 of large pages": lambda: (GatewayTimeout(), {"page_over": 5, "kind": "graphql"}),
    "an error inside 200": lambda: (SomethingWentWrong(), {"kind": "graphql"}),
    "resource limits": lambda: (ResourceLimits(served=1), {"kind": "graphql"}),
    "a null node": lambda: (NullNode(), {"kind": "graphql"}),
    "500": lambda: (ServerError(), {}),
    "a reset connection": lambda: (Reset(), {}),
    "half an answer": lambda: (Truncated(), {}),
    "a primary limit": lambda: (PrimaryLimit(), {}),
    "a secondary limit": lambda: (SecondaryLimit(retry_after=None), {}),
    "401": lambda: (BadCredentials(), {}),
    "a refused cursor": lambda: (Effect(), {}),
}
"""The last is not a fault but its name: the cursor of the request is refused from then on."""


# --- how it is drawn


def plans() -> st.SearchStrategy[Plan]:
    sizes = st.integers(0, 12) | st.integers(0, 60)
    deep = st.sampled_from((0, 0, 0, 1, 2))
    return st.builds(
        Plan,
        name=st.just(NAME),
        pull_requests=sizes,
        issues=sizes,
        discussions=sizes,
        reviews=st.sampled_from((2.0, 0.0, 4.0)),
        review_comments=st.sampled_from((2.0, 0.0)),
        deep_pull_requests=deep,
        deep_threads=deep,
        deep_discussions=deep,
        deep_replies=deep,
        deep_reviews=st.sampled_from((101, 120)),
        deep_comments=st.sampled_from((101, 130, 205)),
        people=st.sampled_from((8, 0, 40)),
        bots=st.sampled_from((0.1, 0.0)),
        ghosts=st.sampled_from((0.05, 0.0, 0.5)),
        teams=st.sampled_from((0.05, 0.0)),
        wide_ids=st.sampled_from((0.1, 0.0, 1.0)),
        collisions=st.sampled_from((0, 3)),
        nuls=st.sampled_from((0.0, 0.05)),
        years=st.just(2.0),
        seed=st.integers(0, 1_000),
    )


def jobs() -> st.SearchStrategy[Job]:
    at, pick = st.integers(1, 25), st.integers(0, 100_000)
    done: st.SearchStrategy[Step] = st.builds(Do, at=at, what=st.sampled_from(list(ACTIONS)), pick=pick)
    broken: st.SearchStrategy[Step] = st.builds(
        Break, at=at, fault=st.sampled_from(list(FAULTS)), times=st.integers(1, 4)
    )
    killed: st.SearchStrategy[Step] = st.one_of(
        st.builds(Kill, at=at),
        st.builds(Kill, at=st.integers(1, 60), where=st.sampled_from(("before commit", "after commit"))),
    )
    return st.builds(
        lambda does, breaks, kills, **how: Job(steps=(*does, *breaks, *kills), **how),
        does=st.lists(done, max_size=8),
        breaks=st.lists(broken, max_size=2),
        kills=st.lists(killed, max_size=3),
        days=st.sampled_from((EVER, 365, 100, 30)),
        pause=st.sampled_from((7_200, 600, 0)),
        fresh=st.sampled_from((False, False, False, True)),
    )


def scenarios() -> st.SearchStrategy[Scenario]:
    return st.builds(
        Scenario,
        plan=plans(),
        jobs=st.lists(jobs(), min_size=1, max_size=2).map(tuple),
        tick=st.sampled_from((1, 0, 3, 90)),
        slice_pages=st.sampled_from((20, 1, 3)),
        most_threads=st.sampled_from((0, 0, 6, 3)),
        listed_from=st.sampled_from((100, 2)),
        most_listed=st.sampled_from((0, 3)),
        settle=st.sampled_from((7_200, 600)),
        ends_fresh=st.booleans(),
    )
