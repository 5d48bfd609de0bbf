"""Generates the stars, forks, pushes and releases of a plan. They are always the same for the same plan, repository and
end of the history.
"""

from bisect import bisect_right
from dataclasses import dataclass
from operator import itemgetter
from random import Random
from typing import Any, Literal

from sandbox.github.generation.dice import BOTS
from sandbox.github.generation.plan import Plan
from sandbox.github.world.accounts import Account
from sandbox.github.world.clock import Stamp, after, moment
from sandbox.github.world.commits import ActivityType, Commit
from sandbox.github.world.events import EVENTS_DAYS
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.releases import Star
from sandbox.github.world.repositories import Repository

AUTHORS_WITHOUT_ACCOUNT = ("Jane Doe", "root", "日本 太郎", "J. Random Hacker")
"""Authors of commits whose e-mail addresses belong to no account."""
DAY = 86_400
RECENT = 0.1
"""Share of all events that are put into the last days, which the events API still shows."""


@dataclass(slots=True)
class Step:
    """One change of a branch at the time `at`. `topic` is the number of a topic branch, or 0 for the default branch."""

    at: Stamp
    kind: Literal["merge", "push", "create", "force", "delete"]
    topic: int = 0
    pull: PullRequest | None = None


class EventGenerator:
    """Generates stars, forks, pushes and releases. Their random choices are independent of the choices for threads, so
    that a plan gives the same threads with or without events.
    """

    def __init__(self, repo: Repository, plan: Plan, end: Stamp) -> None:
        self.repo, self.plan, self.end = repo, plan, end
        self.world = repo.world
        self.dice = Random(f"events of {repo.name_with_owner} {plan.seed}")
        self.start = max(repo.created_at, after(end, -plan.years * 365 * DAY))
        self.span = max(1.0, (moment(end) - moment(self.start)).total_seconds())
        openers = {each.account for each in (*repo.pull_requests.values(), *repo.issues.values())}
        users = {each for each in openers if each is not None and each.typename == "User" and not each.deleted}
        self.people = sorted(users, key=lambda each: each.database_id)
        if not self.people:
            count = max(1, plan.people)
            self.people = [self.world.account(f"{repo.owner.login}-dev{number}") for number in range(count)]
        self.bots = [self.world.account(login, "Bot") for login in BOTS]
        self.gone = self.world.account(f"{repo.owner.login}-{repo.name}-left")
        self.gone.delete()
        self.mainline: list[tuple[Stamp, Commit]] = []
        """The successive heads of the default branch, oldest first, each with its time."""

    def add(self) -> None:
        if self.plan.pushes:
            self.add_pushes()
        self.add_stars()
        self.add_forks()
        self.add_releases()

    # --- stars and forks

    def add_stars(self) -> None:
        """Adds the plan's stars. Also adds former stars, which users took back or which vanished with their account. Of
        a former star only the event is left.
        """
        plan = self.plan
        lost = plan.stars // 20
        moments = self.moments(plan.stars + lost)
        givers = [*self.people, *(self.outsider(number) for number in range(plan.stars + lost))][: len(moments)]
        self.dice.shuffle(givers)
        taken_back = frozenset(self.dice.sample(range(len(moments)), lost))
        for place, (at, account) in enumerate(zip(moments, givers, strict=True)):
            star = Star(self.repo, self.world.next_id("Star"), account, at)
            if place in taken_back:
                self.repo.former_stars.append(star)
            else:
                self.repo.stars[account.database_id] = star
        if lost:
            self.repo.former_stars.append(Star(self.repo, self.world.next_id("Star"), self.gone, moments[-1]))

    def outsider(self, number: int) -> Account:
        """Returns the account with this number among the accounts that only star and fork. A number stands for the same
        account in every repository. Some of these accounts have a login that ends in `-bot`, although each account is a
        User.
        """
        return self.world.account(f"gazer-{number}-bot" if number % 20 == 7 else f"gazer-{number}")

    def add_forks(self) -> None:
        """Adds forks. Some forks belong to an organization; a person made each of these forks for the organization."""
        for number, at in enumerate(self.moments(self.plan.forks)):
            by = self.outsider(number * 3)
            owner = by
            if self.dice.random() < 0.2:
                owner = self.world.account(f"gazers-{number}", "Organization")
            self.repo.fork(owner, at, by=by)

    # --- releases

    def add_releases(self) -> None:
        """Adds the plan's releases. Every tenth release was a draft for some days before it was published. Adds one
        more release that is still a draft; the plan does not count this draft.
        """
        dice, repo = self.dice, self.repo
        for number, at in enumerate(self.moments(self.plan.releases)):
            release = repo.release(
                dice.choice((*self.people, *self.bots, self.gone, None)),
                f"v{number // 10}.{number % 10}.0",
                at,
                name=None if dice.random() < 0.2 else f"Release {number}",
                body="\n".join(f"- change {change}" for change in range(dice.randrange(5))),
                is_prerelease=dice.random() < 0.2,
            )
            place = bisect_right(self.mainline, at, key=itemgetter(0))
            if place:
                release.tag_commit = self.mainline[place - 1][1]
            if number % 10 == 9:
                release.created_at = max(self.start, after(at, -dice.randrange(DAY, 9 * DAY)))
        if self.plan.releases:
            repo.release(self.people[0], "v99.0.0", after(self.end, -DAY), is_draft=True)

    # --- pushes

    def add_pushes(self) -> None:
        """Gives the default branch a new history: the commits that merged the pull requests, with pushes between them.
        Adds topic branches, which are created, pushed to (sometimes by force) and mostly deleted.
        """
        repo = self.repo
        pulls = {each.merge_commit_oid: each for each in repo.pull_requests.values() if each.merged_at}
        steps = [
            Step(each.merged_at or "", "merge", pull=each) for oid, each in pulls.items() if oid in repo.git.commits
        ]
        root = self.commit(None, self.world.oid(f"root of {repo.database_id}"), repo.created_at, repo.owner)
        self.mainline.append((repo.created_at, root))
        repo.git.branches[repo.default_branch] = root
        for step in sorted([*steps, *self.steps()], key=lambda each: each.at):
            self.take(step)

    def steps(self) -> list[Step]:
        """Returns the plan's pushes, and the creations and deletions of the topic branches to which some of them go.
        Four of five pushes are to the default branch.
        """
        dice, steps = self.dice, []
        topic, left = 1, 0
        for place, at in enumerate(self.moments(self.plan.pushes)):
            if place % 5 != 4:
                steps.append(Step(at, "push"))
                continue
            if not left:
                topic, left = topic + 1, dice.randrange(1, 4)
                steps.append(Step(max(self.start, after(at, -dice.randrange(60, 7_200))), "create", topic))
            steps.append(Step(at, "force" if dice.random() < 0.4 else "push", topic))
            left -= 1
            if not left and dice.random() < 0.7:
                steps.append(Step(min(self.end, after(at, dice.randrange(60, 7_200))), "delete", topic))
        return steps

    def take(self, step: Step) -> None:
        git, dice = self.repo.git, self.dice
        branch = f"topic/{step.topic}" if step.topic else self.repo.default_branch
        before = git.head(branch)
        kinds: dict[str, ActivityType] = {
            "create": "branch_creation",
            "force": "force_push",
            "delete": "branch_deletion",
        }
        if step.pull is not None:
            to, actor = self.merge(step.pull), step.pull.merged_by_account
            git.move(branch, to, actor, step.at, "merge_queue_merge" if dice.random() < 0.1 else "pr_merge")
        elif step.kind == "delete":
            git.move(branch, None, self.somebody(), step.at, kinds["delete"])
        else:
            onto = before or self.mainline[-1][1]
            if step.kind == "force" and onto.parents:
                onto = onto.parents[0]
            to, actor = self.chain(onto, step.at, dice.randrange(1, 4)), self.somebody()
            git.move(branch, to, actor, step.at, kinds.get(step.kind, "push"))
        if not step.topic:
            self.mainline.append((step.at, git.branches[branch]))

    def merge(self, pull: PullRequest) -> Commit:
        """Puts the pull request's merge commit on top of the default branch, and returns it. In three of five cases the
        commit has a second parent, with new commits. Otherwise it has one parent, as after a squash.
        """
        dice, git = self.dice, self.repo.git
        commit = git.commits[pull.merge_commit_oid or ""]
        commit.parents = (self.mainline[-1][1],)
        if dice.random() < 0.6:
            base = self.mainline[-dice.randrange(1, min(6, len(self.mainline) + 1))][1]
            commit.parents += (self.chain(base, pull.merged_at or "", dice.randrange(1, 4)),)
        return commit

    def chain(self, onto: Commit, at: Stamp, count: int) -> Commit:
        """Adds `count` commits on top of `onto`, and returns the last one. `at` is the time at which they are pushed.
        Most are committed shortly before `at`. Some are dated up to months earlier, as by a wrong clock.
        """
        dice = self.dice
        for left in range(count, 0, -1):
            committed = after(at, -left * dice.randrange(30, 1_800))
            if dice.random() < 0.1:
                committed = after(committed, -dice.randrange(DAY, 200 * DAY))
            oid = self.world.oid(f"{self.repo.name_with_owner} commit {len(self.repo.git.commits)}")
            onto = self.commit(onto, oid, committed, self.somebody())
        return onto

    def commit(self, onto: Commit | None, oid: str, at: Stamp, author: Account | None) -> Commit:
        dice = self.dice
        authored = after(at, -dice.randrange(90 * DAY)) if dice.random() < 0.1 else at
        known: dict[str, Any] = {"author_name": None if author else dice.choice(AUTHORS_WITHOUT_ACCOUNT)}
        parents = (onto,) if onto else ()
        message = f"Change {oid[:7]}\n\nBecause." if dice.random() < 0.5 else f"Change {oid[:7]}"
        made = Commit(self.repo, oid, message, authored, author, committed_date=at, parents=parents, **known)
        return self.repo.git.add(made)

    # --- chance

    def moments(self, count: int) -> list[Stamp]:
        """Returns `count` random times in ascending order. At least a tenth of them lie in the last 30 days, which the
        events API still shows.
        """
        dice = self.dice
        lately = min(self.span, EVENTS_DAYS * DAY)
        recent = max(1, round(count * RECENT)) if count else 0
        ago = [dice.random() * lately for _ in range(recent)] + [
            dice.random() * self.span for _ in range(count - recent)
        ]
        return [after(self.end, -seconds) for seconds in sorted(ago, reverse=True)]

    def somebody(self) -> Account | None:
        chance = self.dice.random()
        if chance < self.plan.ghosts:
            return None
        if chance < 2 * self.plan.ghosts:
            return self.gone
        return self.dice.choice(self.bots if chance < 2 * self.plan.ghosts + self.plan.bots else self.people)
