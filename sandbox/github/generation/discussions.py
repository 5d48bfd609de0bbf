"""Generates the discussions of a plan."""

from sandbox.github.generation.dice import BOTS, Dice
from sandbox.github.generation.plan import Plan
from sandbox.github.world.clock import after, moment
from sandbox.github.world.discussions import CATEGORIES, Discussion, DiscussionComment
from sandbox.github.world.repositories import Repository


class Discussions(Dice):
    """Generates discussions. Their random choices are independent of the choices for issues and pull requests, so that
    a plan gives the same issues and pull requests with or without discussions.
    """

    def __init__(self, repo: Repository, plan: Plan) -> None:
        super().__init__(repo.world, plan, repo.updated_at, f"discussions of {repo.name_with_owner} {plan.seed}")
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
        """Decides whether the discussion gets an answer, which is one of its comments or replies. Then sets the
        discussion's `updated_at`. A few discussions get the `updated_at` of the discussion `before`.
        """
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
