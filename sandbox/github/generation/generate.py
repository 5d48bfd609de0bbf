"""Makes repositories of any size, always the same for the same plan and end.

repository(world, Plan("octo/large", pull_requests=1_000, issues=500))
repository(world, Plan.parse("octo/small?pull_requests=200&issues=100&seed=1"))
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from random import Random
from typing import Any, Self
from urllib.parse import parse_qsl

from sandbox.github.generation.events import Happenings
from sandbox.github.world.accounts import Account
from sandbox.github.world.chance import spread
from sandbox.github.world.clock import Stamp, after, moment
from sandbox.github.world.commits import Commit
from sandbox.github.world.discussions import CATEGORIES, Discussion, DiscussionComment
from sandbox.github.world.repositories import Repository, created
from sandbox.github.world.threads import (
    Issue,
    IssueComment,
    PullRequest,
    Review,
    ReviewComment,
    ReviewRequest,
    Thread,
    TimelineEvent,
)
from sandbox.github.world.world import World

TEXT = r"""
the a of to in sweep page cursor budget lease worker token retry merge branch review thread label commit parser cache
index query schema timeout socket buffer stream queue lock batch event clock release fixes breaks moves adds drops when
because after before without slowly twice never only again naïve café 日本語 😀 🚀 🏳️‍🌈 <b>bold</b> `code` **strong**
@somebody \backslash "quoted" it's 100% null
"""
WORDS = [*TEXT.split(), "line\nbreak", "\ttab"]
LABELS = ("bug", "enhancement", "question", "good first issue", "area: api", "area/ui", "P1", "wontfix", "🔥 hot")
MILESTONES = ("v1.0", "v1.1", "v2.0", "Someday")
BOTS = ("dependabot", "github-actions", "renovate")
TEAMS = ("core", "docs", "security")
WIDE = 2**31
"""From here on ids do not fit `databaseId`."""


@dataclass(frozen=True)
class Plan:
    """What to make. Averages are over all threads of their kind, the deep ones included, and are met exactly."""

    name: str
    pull_requests: int = 100
    issues: int = 50
    reviews: float = 4.4
    """A pull request."""
    review_comments: float = 4.3
    """A pull request."""
    comments: float = 2.5
    """A pull request or issue."""
    events: float = 5.0
    """A pull request or issue; more where its labels and its end need more."""
    references: float = 0.0
    """The share of the pull requests that another one refers to."""
    deep_pull_requests: int = 0
    deep_reviews: int = 120
    deep_threads: int = 0
    deep_comments: int = 130
    people: int = 40
    bots: float = 0.1
    ghosts: float = 0.03
    teams: float = 0.05
    wide_ids: float = 0.05
    """The share of threads, reviews and comments whose ids are beyond 32 bits."""
    collisions: int = 0
    """Review comments that have the id of an issue comment."""
    long_bodies: float = 0.002
    nuls: float = 0.005
    """The share of texts with a NUL character in them."""
    years: float = 3.0
    seed: int = 1
    discussions: int = 0
    discussion_comments: float = 3.0
    """Of the first level, a discussion."""
    discussion_replies: float = 2.0
    """A discussion."""
    deep_discussions: int = 0
    """So many have `deep_comments` comments."""
    deep_replies: int = 0
    """So many of their comments have `deep_comments` replies."""
    answers: float = 0.7
    """The share of the discussions with comments, of those in a category that knows answers, that have one."""
    stars: int = 0
    forks: int = 0
    releases: int = 0
    """That are shown; there is one draft, too."""
    pushes: int = 0
    """Beside the merges, which are pushes too as soon as there are any."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`owner/name?field=number&...`; `ValueError` if a field is unknown or not a number."""
        name, _, query = text.partition("?")
        if name.count("/") != 1:
            raise ValueError(f"{name!r} is not owner/name")
        kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(cls) if field.name != "name"}
        given: dict[str, Any] = {}
        for key, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
            if key not in kinds:
                raise ValueError(f"{key!r} is none of {', '.join(kinds)}")
            given[key] = kinds[key](value)
        return cls(name, **given)


def measured(name: str, scale: float = 1.0, seed: int = 1) -> Plan:
    """The shape that costs are measured on: 1,000 pull requests and 500 issues with 4,361 reviews, 4,343 review
    comments, 3,849 comments and about 7,544 events, 20 pull requests with 120 reviews, 7 threads with 130 comments. A
    tenth of the pull requests are referred to by another: only timelines tell of that."""
    return Plan(
        name,
        pull_requests=round(1_000 * scale),
        issues=round(500 * scale),
        reviews=4.361,
        review_comments=4.343,
        comments=3_849 / 1_500,
        events=7_544 / 1_500,
        references=0.1,
        deep_pull_requests=round(20 * scale),
        deep_threads=round(7 * scale),
        years=3,
        seed=seed,
    )


def repository(world: World, plan: Plan, *, end: Stamp | None = None) -> Repository:
    """Adds it, its threads' dates spread over the plan's years before `end` (now). `ValueError` if the name exists."""
    with world.lock:
        return _Generator(world, plan, end or world.clock.stamp()).repository()


def add_discussions(to: Repository, plan: Plan) -> None:
    """Switches them on, if the plan has any, and adds the plan's to any repository (an export's too), numbered from its
    next number on and dated from its creation to its `updated_at`. Those who opened its threads write them."""
    if plan.discussions:
        with to.changed():
            _Discussions(to, plan).add()


def add_events(to: Repository, plan: Plan, *, end: Stamp | None = None) -> None:
    """Adds the plan's stars, forks, pushes and releases to any repository (an export's too), over the plan's years
    before `end` (now), some in its last month."""
    if plan.stars or plan.forks or plan.pushes or plan.releases:
        with to.changed():
            Happenings(to, plan, end or to.world.clock.stamp()).add()


class _Generator:
    def __init__(self, world: World, plan: Plan, end: Stamp) -> None:
        self.world = world
        self.plan = plan
        self.end = end
        self.dice = Random(f"{plan.name} {plan.seed}")
        self.start = after(end, -plan.years * 365 * 86_400)
        self.span = (moment(end) - moment(self.start)).total_seconds()

    def repository(self) -> Repository:
        plan, dice = self.plan, self.dice
        self.repo = self.world.add_repository(plan.name, created_at=self.start, description=self.sentence(6))
        self.repo.updated_at = self.end
        owner = self.repo.owner.login
        self.people = [self.world.account(f"{owner}-dev{number}") for number in range(plan.people)]
        self.bots = [self.world.account(login, "Bot") for login in BOTS]
        self.teams = [self.world.team(owner, slug) for slug in TEAMS]
        for name in LABELS:
            self.repo.label(name, f"{dice.randrange(2**24):06x}", self.sentence(4))
        for title in MILESTONES:
            self.repo.milestone(title, self.people[0] if self.people else None).due_on = self.end
        kinds = ["pr"] * plan.pull_requests + ["issue"] * plan.issues
        dice.shuffle(kinds)
        pulls: list[PullRequest] = []
        threads: list[Thread] = []
        for number, kind in enumerate(kinds, 1):
            if kind == "pr":
                pulls.append(self.pull_request(number, len(kinds)))
            threads.append(pulls[-1] if kind == "pr" else self.issue(number, len(kinds)))
        self.add_reviews(pulls)
        self.add_comments(threads)
        self.add_links(pulls)
        self.add_references(pulls)
        self.add_events(threads)
        for thread in threads:
            self.finish(thread)
        self.add_commits(pulls)
        self.repo.revision += 1
        add_discussions(self.repo, plan)
        add_events(self.repo, plan, end=self.end)
        return self.repo

    def add_commits(self, pulls: list[PullRequest]) -> None:
        """One commit a merge, each on top of the one before."""
        git, head = self.repo.git, None
        for pull in sorted(pulls, key=lambda each: each.merged_at or ""):
            if pull.merge_commit_oid and pull.merged_at:
                parents = (head,) if head else ()
                by = pull.merged_by_account
                head = Commit(self.repo, pull.merge_commit_oid, pull.title, pull.merged_at, by, parents=parents)
                git.branches[self.repo.default_branch] = git.add(head)

    # --- threads

    def thread(self, typename: str, number: int, of: int) -> dict[str, Any]:
        at = after(self.start, self.span * (number - self.dice.random()) / (of + 1))
        labels = self.dice.sample(LABELS, self.dice.choice((0, 0, 1, 1, 2, 3)))
        return {
            "repo": self.repo,
            "database_id": self.identify(typename),
            "number": number,
            "account": self.somebody(),
            "author_association": self.dice.choice(("MEMBER", "CONTRIBUTOR", "NONE")),
            "title": self.sentence(6),
            "body": self.text(),
            "state": "OPEN",
            "created_at": at,
            "updated_at": at,
            "labels": [self.repo.labels[name] for name in labels],
            "assignees": self.dice.sample(self.people, min(len(self.people), self.dice.choice((0, 0, 0, 1, 2)))),
            "milestone": self.repo.milestones[self.dice.randint(1, 4)] if self.dice.random() < 0.3 else None,
        }

    def issue(self, number: int, of: int) -> Issue:
        issue = Issue(**self.thread("Issue", number, of))
        if self.dice.random() < 0.7:
            issue.state, issue.state_reason = "CLOSED", self.dice.choice(("COMPLETED", "COMPLETED", "NOT_PLANNED"))
            issue.closed_at = self.later(issue.created_at)
        self.repo.add_issue(issue)
        return issue

    def pull_request(self, number: int, of: int) -> PullRequest:
        dice = self.dice
        pull = PullRequest(
            **self.thread("PullRequest", number, of),
            base_ref_oid=self.world.oid(f"{self.plan.name}#{number} base"),
            head_ref_oid=self.world.oid(f"{self.plan.name}#{number} head"),
            head_ref_name=f"branch-{number}",
            head_repository=self.repo,
            additions=dice.randrange(1, 900),
            deletions=dice.randrange(300),
            changed_files=dice.randrange(1, 20),
            commit_count=dice.randrange(1, 12),
        )
        fate = dice.random()
        if fate < 0.88:
            pull.state, pull.closed_at = "CLOSED", self.later(pull.created_at)
        else:
            pull.is_draft = dice.random() < 0.3
        if fate < 0.75:
            pull.state, pull.merged_at = "MERGED", pull.closed_at
            pull.merged_by_account = self.somebody()
            pull.merge_commit_oid = self.world.oid(f"{self.plan.name}#{number} merge")
        for reviewer in dice.sample(self.people, min(len(self.people), dice.choice((0, 0, 0, 1, 2)))):
            pull.review_requests.append(ReviewRequest(pull, self.world.next_id("ReviewRequest"), reviewer))
        if dice.random() < self.plan.teams:
            team = dice.choice(self.teams)
            pull.review_requests.append(ReviewRequest(pull, self.world.next_id("ReviewRequest"), team))
        self.repo.add_pull_request(pull)
        return pull

    # --- what hangs on them

    def add_reviews(self, pulls: list[PullRequest]) -> None:
        plan, dice = self.plan, self.dice
        total = round(plan.reviews * len(pulls))
        reviews = [self.review(pull) for pull in self.spread(pulls, total, plan.deep_pull_requests, plan.deep_reviews)]
        for pull in pulls:
            pull.reviews.sort(key=created)
        if reviews:
            for _ in range(round(plan.review_comments * len(pulls))):
                self.review_comment(dice.choice(reviews))
        self.colliding = list(self.repo.review_comments)[: plan.collisions]
        for pull in pulls:
            roots: dict[tuple[str, int], ReviewComment] = {}
            for comment in sorted(pull.review_comments(), key=created):
                root = roots.setdefault((comment.path, comment.original_position), comment)
                comment.reply_to = root if root is not comment else None

    def review(self, pull: PullRequest) -> Review:
        at = self.later(pull.created_at, days=20)
        review = Review(
            self.identify("PullRequestReview"),
            self.somebody(),
            "MEMBER",
            self.text() if self.dice.random() < 0.4 else "",
            at,
            at,
            pull_request=pull,
            state=self.dice.choice(("APPROVED", "COMMENTED", "COMMENTED", "CHANGES_REQUESTED", "DISMISSED")),
            submitted_at=at,
            oid=pull.head_ref_oid,
        )
        pull.reviews.append(review)
        self.world.remember(review)
        return review

    def review_comment(self, review: Review) -> None:
        dice = self.dice
        position = dice.randrange(1, 30)
        path = f"src/module_{dice.randrange(4)}.py"
        self.repo.add_review_comment(
            ReviewComment(
                self.identify("PullRequestReviewComment"),
                review.account,
                review.author_association,
                self.text(),
                review.created_at,
                review.created_at,
                review=review,
                path=path,
                position=None if dice.random() < 0.3 else position,
                original_position=position,
                diff_hunk=f"@@ -{position},3 +{position},4 @@ def f():\n-    return 1\n+    return 2"
                + " #" * dice.randrange(30),
                original_oid=review.oid,
            )
        )

    def add_comments(self, threads: list[Thread]) -> None:
        plan = self.plan
        total = round(plan.comments * len(threads))
        for thread in self.spread(threads, total, plan.deep_threads, plan.deep_comments):
            at = self.later(thread.created_at, days=40)
            number = self.colliding.pop() if self.colliding else self.identify("IssueComment")
            self.repo.add_issue_comment(
                IssueComment(number, self.somebody(), "NONE", self.text(), at, at, thread=thread)
            )

    def add_links(self, pulls: list[PullRequest]) -> None:
        issues = list(self.repo.issues.values())
        for pull in pulls:
            if not issues or self.dice.random() > 0.2:
                continue
            issue = self.dice.choice(issues)
            pull.body += f"\n\nFixes #{issue.number}"
            pull.closes.append(issue)
            issue.closed_by.append(pull)
            self.event(
                issue, "CrossReferencedEvent", pull.account, pull.created_at, source=pull, will_close_target=True
            )

    def add_references(self, pulls: list[PullRequest]) -> None:
        """No dice are thrown for plans without: their repositories stay what they were."""
        for pull in pulls if self.plan.references else ():
            source = self.dice.choice(pulls)
            if self.dice.random() < self.plan.references and source is not pull:
                at = max(pull.created_at, source.created_at)
                self.event(pull, "CrossReferencedEvent", source.account, at, source=source)

    def add_events(self, threads: list[Thread]) -> None:
        for thread in threads:
            self.needed_events(thread)
        have = sum(len(thread.events) for thread in threads)
        missing = round(self.plan.events * len(threads)) - have
        for thread in self.spread(threads, max(0, missing), 0, 0):
            self.chance_event(thread)

    def needed_events(self, thread: Thread) -> None:
        """Those that the thread's state tells of."""
        for label in thread.labels:
            self.event(thread, "LabeledEvent", self.somebody(), self.later(thread.created_at, days=2), label=label)
        for assignee in thread.assignees:
            self.event(
                thread, "AssignedEvent", self.somebody(), self.later(thread.created_at, days=2), assignee=assignee
            )
        if thread.milestone is not None:
            title = thread.milestone.title
            self.event(thread, "MilestonedEvent", self.somebody(), thread.created_at, milestone_title=title)
        if isinstance(thread, PullRequest):
            for request in thread.review_requests:
                self.event(thread, "ReviewRequestedEvent", thread.account, thread.created_at, reviewer=request.reviewer)
            if thread.merged_at:
                self.event(
                    thread,
                    "MergedEvent",
                    thread.merged_by_account,
                    thread.merged_at,
                    oid=thread.merge_commit_oid,
                    merge_ref_name=thread.base_ref_name,
                )
        if thread.closed_at:
            reason = thread.state_reason if isinstance(thread, Issue) else None
            closer = thread.merged_by_account if isinstance(thread, PullRequest) else self.somebody()
            self.event(thread, "ClosedEvent", closer, thread.closed_at, state_reason=reason)

    def chance_event(self, thread: Thread) -> None:
        dice = self.dice
        at, actor = self.later(thread.created_at, days=30), self.somebody()
        label = self.repo.labels[dice.choice(LABELS)]
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("LabeledEvent", {"label": label}),
            ("UnlabeledEvent", {"label": label}),
            ("RenamedTitleEvent", {"previous_title": self.sentence(4), "current_title": thread.title}),
            ("MentionedEvent", {}),
            ("SubscribedEvent", {}),
            ("LockedEvent", {"lock_reason": dice.choice(("RESOLVED", "SPAM", None))}),
            ("UnlockedEvent", {}),
            ("ReferencedEvent", {"oid": self.world.oid(f"{thread.number} {at}")}),
            ("DemilestonedEvent", {"milestone_title": dice.choice(MILESTONES)}),
        ]
        if self.people:
            kinds.append(("UnassignedEvent", {"assignee": dice.choice(self.people)}))
        if isinstance(thread, PullRequest):
            oids = {"before_oid": thread.base_ref_oid, "after_oid": thread.head_ref_oid}
            kinds += [
                ("HeadRefForcePushedEvent", oids),
                ("ReadyForReviewEvent", {}),
                ("ConvertToDraftEvent", {}),
                ("ReviewRequestRemovedEvent", {"reviewer": dice.choice([*self.people, *self.teams])}),
            ]
        else:
            kinds += [("PinnedEvent", {}), ("UnpinnedEvent", {})]
        typename, data = dice.choice(kinds)
        self.event(thread, typename, actor, at, **data)

    def event(self, thread: Thread, typename: str, actor: Account | None, at: Stamp, **data: Any) -> None:
        event = TimelineEvent(typename, thread, self.world.next_id(typename), actor, at, data)
        thread.events.append(event)
        self.world.remember(event)

    def finish(self, thread: Thread) -> None:
        """`updated_at` is when the last thing happened; a few share a second with the thread before."""
        thread.events.sort(key=created)
        moments = [thread.created_at, *(each.updated_at for each in thread.comments)]
        moments += [each.created_at for each in thread.events]
        if isinstance(thread, PullRequest):
            moments += [each.updated_at for each in thread.reviews]
        thread.updated_at = max(moments)
        before = self.repo.pull_requests.get(thread.number - 1)
        if before is not None and before.updated_at >= thread.updated_at and self.dice.random() < 0.05:
            thread.updated_at = before.updated_at

    # --- chance

    def spread(self, threads: list[Any], total: int, deep: int, depth: int) -> Iterator[Any]:
        """Threads, `total` in all: the first `deep` of a random order `depth` times each, the rest by chance."""
        order = self.dice.sample(threads, len(threads))
        chosen: Counter[int] = Counter()
        for place in range(min(deep, len(order))):
            chosen[place] = depth
        shallow = range(min(deep, len(order)), len(order))
        for _ in range(total - chosen.total() if shallow else 0):
            chosen[self.dice.choice(shallow)] += 1
        for place, times in sorted(chosen.items()):
            for _ in range(times):
                yield order[place]

    def identify(self, typename: str) -> int:
        if self.dice.random() >= self.plan.wide_ids:
            return self.world.next_id(typename)
        # Some of them beyond 2^32 too: node ids pack those otherwise.
        base = (WIDE if self.dice.random() < 0.5 else 3 * WIDE) + spread(typename, 1_000) * 1_000_000
        sequence = f"{typename} from {base}"
        self.world.sequences.setdefault(sequence, base - 1)
        return self.world.next_id(sequence)

    def somebody(self) -> Account | None:
        chance = self.dice.random()
        if chance < self.plan.ghosts or not self.people:
            return None
        return self.dice.choice(self.bots if chance < self.plan.ghosts + self.plan.bots else self.people)

    def later(self, at: Stamp, days: float = 60) -> Stamp:
        """Some time after, not after the end; sooner is likelier."""
        room = (moment(self.end) - moment(at)).total_seconds()
        return after(at, min(room, days * 86_400) * self.dice.random() ** 2)

    def soon(self, thread: Thread) -> Stamp:
        return self.later(thread.created_at, days=2)

    def sentence(self, words: int) -> str:
        return " ".join(self.dice.choices(WORDS, k=words))

    def text(self) -> str:
        chance = self.dice.random()
        if chance < self.plan.nuls:
            return f"before\0after {self.sentence(5)}"
        if chance < self.plan.nuls + self.plan.long_bodies:
            return (self.sentence(50) + "\n") * 300
        return self.sentence(self.dice.randrange(3, 60))


class _Discussions(_Generator):
    """Has dice of its own: threads are the same whether there are discussions or not."""

    def __init__(self, repo: Repository, plan: Plan) -> None:
        super().__init__(repo.world, plan, repo.updated_at)
        self.dice = Random(f"discussions of {repo.name_with_owner} {plan.seed}")
        self.repo = repo
        self.start = repo.created_at
        self.span = (moment(self.end) - moment(self.start)).total_seconds()
        openers = {each.account for each in (*repo.pull_requests.values(), *repo.issues.values())}
        users = {each for each in openers if each is not None and each.typename == "User"}
        self.people = sorted(users, key=lambda each: each.database_id)
        if not users:
            self.people = [self.world.account(f"{repo.owner.login}-dev{number}") for number in range(plan.people)]
        self.bots = [self.world.account(login, "Bot") for login in BOTS]

    def add(self) -> None:
        plan = self.plan
        self.repo.has_discussions_enabled = True
        first = self.repo.next_number()
        made = [self.discussion(first + place, place) for place in range(plan.discussions)]
        total = round(plan.discussion_comments * len(made))
        deep = self.spread(made, total, plan.deep_discussions, plan.deep_comments)
        comments = [self.discussion_comment(each, None) for each in deep]
        total = round(plan.discussion_replies * len(made))
        for each in self.spread(comments, total, plan.deep_replies, plan.deep_comments):
            self.discussion_comment(each.discussion, each)
        for before, each in zip([None, *made], made, strict=False):
            self.settle(each, before)

    def discussion(self, number: int, place: int) -> Discussion:
        dice = self.dice
        at = after(self.start, self.span * (place + dice.random()) / (self.plan.discussions + 1))
        discussion = Discussion(
            self.identify("Discussion"),
            self.somebody(),
            "NONE",
            self.text(),
            at,
            at,
            repo=self.repo,
            number=number,
            title=self.sentence(6),
            category=self.repo.discussion_category(dice.choice(list(CATEGORIES))),
            locked=dice.random() < 0.03,
            upvote_count=dice.randrange(1, 30),
            modern=self.repo.modern,
        )
        self.repo.add_discussion(discussion)
        return discussion

    def discussion_comment(self, discussion: Discussion, to: DiscussionComment | None) -> DiscussionComment:
        at = self.later((to or discussion).created_at, days=40)
        comment = DiscussionComment(
            self.identify("DiscussionComment"),
            self.somebody(),
            "NONE",
            self.text(),
            at,
            at,
            discussion=discussion,
            reply_to=to,
            upvote_count=self.dice.randrange(1, 9),
            modern=discussion.modern,
        )
        discussion.add(comment)
        return comment

    def settle(self, discussion: Discussion, before: Discussion | None) -> None:
        """Its answer, a comment or a reply, and when the last thing happened; a few share a second with another."""
        written = list(discussion.children())
        moments = [discussion.created_at, *(each.created_at for each in written)]
        if written and discussion.category.is_answerable and self.dice.random() < self.plan.answers:
            discussion.answer = self.dice.choice(written)
            discussion.answer_chosen_at = self.later(discussion.answer.created_at, days=5)
            discussion.answer_chosen_by_account = self.somebody()
            moments.append(discussion.answer_chosen_at)
        discussion.updated_at = max(moments)
        if before is not None and before.updated_at >= discussion.updated_at and self.dice.random() < 0.05:
            discussion.updated_at = before.updated_at
