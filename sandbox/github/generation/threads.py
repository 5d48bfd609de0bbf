"""Generates the repository of a plan, with its pull requests, its issues and their children."""

from typing import Any

from sandbox.github.generation.dice import BOTS, Dice
from sandbox.github.generation.plan import Plan
from sandbox.github.world.accounts import Account
from sandbox.github.world.clock import Stamp, after, moment
from sandbox.github.world.commits import Commit
from sandbox.github.world.pull_requests import PullRequest, Review, ReviewComment
from sandbox.github.world.repositories import Repository
from sandbox.github.world.review_requests import ReviewRequest
from sandbox.github.world.threads import Issue, IssueComment, Thread, TimelineEvent, created
from sandbox.github.world.world import World

LABELS = ("bug", "enhancement", "question", "good first issue", "area: api", "area/ui", "P1", "wontfix", "🔥 hot")
MILESTONES = ("v1.0", "v1.1", "v2.0", "Someday")
TEAMS = ("core", "docs", "security")


class Threads(Dice):
    def __init__(self, world: World, plan: Plan, end: Stamp) -> None:
        super().__init__(world, plan, end, f"{plan.name} {plan.seed}")
        self.start = after(end, -plan.years * 365 * 86_400)
        self.span = (moment(end) - moment(self.start)).total_seconds()

    def make(self) -> Repository:
        plan, dice = self.plan, self.dice
        purpose = self.sentence(6)
        repo: Repository = self.world.add_repository(plan.name, created_at=self.start, description=purpose)
        self.repo = repo
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
        repo.revision += 1
        return repo

    def add_commits(self, pulls: list[PullRequest]) -> None:
        """Creates one commit for each merged pull request, each on top of the previous commit."""
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
        """Adds references between pull requests. If the plan has no references, the method makes no random choice, so
        that the choices after it stay the same.
        """
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
        """Adds the events that brought the thread into its present state: labels, assignees, milestone, requested
        reviewers, merge and closing.
        """
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
        """Sets the thread's `updated_at` to the time of its latest event, comment or review. A few threads get the
        `updated_at` of the pull request with the previous number.
        """
        thread.events.sort(key=created)
        moments = [thread.created_at, *(each.updated_at for each in thread.comments)]
        moments += [each.created_at for each in thread.events]
        if isinstance(thread, PullRequest):
            moments += [each.updated_at for each in thread.reviews]
        thread.updated_at = max(moments)
        before = self.repo.pull_requests.get(thread.number - 1)
        if before is not None and before.updated_at >= thread.updated_at and self.dice.random() < 0.05:
            thread.updated_at = before.updated_at
