"""Simulates backfills second by second, without a server: repositories, pages, budgets and random events.

The estimator does not see the true values of the world: how many threads there are, when a budget is reset, what
follows the last thread. It gets what it gets in production: the job's rows, its marks, and the budgets as GitHub
reported them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from messages import PartStatus, Waiting
from progress.pace import Mark
from progress.time_left import Window
from progress.views import JobState, RepositoryView, TypeView

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW_SECONDS = 3_600.0
LIMIT = 5_000
SHARE = 0.8
AT_ONCE = 10
STEPS = 2_000
"""Approximate number of steps of a world; one step is many pages."""
MOST_SECONDS = 40 * 86_400.0


@dataclass
class Sweep:
    """The threads of one type of one repository. `dense` bends how they are spread over time, which the dates at GitHub
    show.
    """

    data_type: str
    threads: int
    dense: float
    page: int
    rest_a_page: float
    tail_requests: int
    pages_a_step: int = 1
    stored: int = 0
    spent_points: int = 0
    spent_requests: int = 0
    begun: bool = False
    left: int | None = None

    @property
    def is_over(self) -> bool:
        return self.stored >= self.threads and self.tail_requests <= 0

    @property
    def expected(self) -> int | None:
        """The expected total, estimated as a sweep does it: from how much of the time range is read."""
        if not self.begun:
            return None
        if self.stored >= self.threads or not self.stored:
            return self.threads
        depth: float = (self.stored / self.threads) ** self.dense
        return max(self.stored, min(round(self.stored / depth), round(self.threads * 1.3)))

    def view(self, status: PartStatus) -> TypeView:
        return TypeView(
            data_type=self.data_type,
            status=status,
            stored=self.stored,
            expected=None if self.left is None else self.stored + self.left,
            recent_done=False,
            counts={},
            as_of=None,
            proof=None,
            error=None,
            notes=[],
            unshown=None,
            left=self.left,
            most_stored=self.stored,
            estimate=self.expected,
        )


@dataclass
class Account:
    """The windows of an account at GitHub, and what else uses them."""

    period: float
    used: dict[str, float] = field(default_factory=lambda: {"graphql": 0.0, "core": 0.0})
    resets_at: dict[str, float] = field(default_factory=dict)

    def left(self, resource: str, now: float) -> float:
        if now >= self.resets_at.get(resource, -1.0):
            self.used[resource] = 0.0
            return LIMIT * SHARE
        return LIMIT * SHARE - self.used[resource]

    def spend(self, resource: str, amount: float, now: float) -> None:
        if now >= self.resets_at.get(resource, -1.0):
            self.used[resource], self.resets_at[resource] = 0.0, now + self.period
        self.used[resource] += amount


@dataclass(frozen=True)
class Snapshot:
    """What the estimator sees at one moment."""

    seconds: float
    job: JobState
    now: Mark
    earlier: list[Mark]
    windows: list[Window]
    others: int


@dataclass
class World:
    """One backfill, from its beginning to its end."""

    luck: Random
    repositories: list[list[Sweep]]
    accounts: list[Account]
    seconds_a_page: float
    others: int
    traffic: float
    """Points and requests a second that the product itself uses for other work."""
    moment: float = 0.0
    waited: float = 0.0
    waiting_until: float | None = None
    marks: list[Mark] = field(default_factory=list)

    @classmethod
    def imagine(cls, seed: int) -> "World":
        """Returns the world of this seed: 1 to 60 repositories, with so much to fetch that the budgets of some hours
        are used up.
        """
        luck = Random(seed)
        period = WINDOW_SECONDS
        hours = luck.uniform(1.2, 12)
        accounts = [Account(period) for _ in range(luck.choice([1, 1, 1, 2, 3]))]
        points_a_page = 1.0
        pages = hours * LIMIT * SHARE * len(accounts) / points_a_page
        number = luck.choice([1, 2, 5, 14, 30, 60])
        weights = [luck.paretovariate(1.2) for _ in range(number)]
        repositories = []
        for weight in weights:
            of_it = pages * weight / sum(weights)
            parts = [luck.random() + 0.05 for _ in range(3)]
            sweeps = []
            for data_type, part in zip(("pull_requests", "issues", "discussions"), parts, strict=True):
                page = luck.choice([10, 20, 25, 50])
                fetched = max(1, round(of_it * part / sum(parts)))
                rest = luck.choice([0.0, 0.3, 1.0]) if data_type == "pull_requests" else luck.uniform(0, 0.2)
                tail = round(fetched * luck.uniform(0, 0.15))
                sweeps.append(Sweep(data_type, fetched * page, luck.uniform(0.75, 1.3), page, rest, tail))
            repositories.append(sweeps)
        step = max(1, round(pages / STEPS))
        for its in repositories:
            for sweep in its:
                sweep.pages_a_step = min(step, max(1, sweep.threads // sweep.page // 20))
        pace = sum(len(its) for its in repositories)
        seconds_a_page = luck.uniform(0.15, 0.9) / min(AT_ONCE, max(1, pace // 3)) * luck.choice([0.5, 1, 2])
        return cls(luck, repositories, accounts, seconds_a_page, luck.choice([0, 0, 0, 1, 2]), luck.uniform(0, 0.15))

    def run(self, snapshots: int = 100) -> Iterator[Snapshot]:
        """Runs the backfill; yields what the estimator sees, the last time at the end."""
        total = sum(sweep.threads / sweep.page for its in self.repositories for sweep in its)
        every, done = max(total / snapshots, 1), 0.0
        mood = 1.0
        while any(not sweep.is_over for its in self.repositories for sweep in its):
            if done >= every:
                done %= every
                mood = min(2.0, max(0.5, mood * self.luck.uniform(0.93, 1.08)))
                self._mark()
                yield self._snapshot()
            if (until := self._short_of_budget()) is not None:
                self.waiting_until = until
                yield self._snapshot()
                self.waited += until - self.moment
                self.moment, self.waiting_until = until, None
                continue
            done += self._page(mood)
            if self.moment > MOST_SECONDS:
                break
        yield self._snapshot()

    def _open(self) -> list[Sweep]:
        ready = [its for its in self.repositories if any(not sweep.is_over for sweep in its)]
        unbegun = [its for its in ready if not all(sweep.begun for sweep in its)]
        # Recent work goes first: every repository is begun before the history of any.
        return [sweep for its in (unbegun or ready[:AT_ONCE])[:AT_ONCE] for sweep in its if not sweep.is_over]

    def _page(self, mood: float) -> int:
        """Makes one step of a sweep; returns how many pages it was."""
        open_sweeps = self._open()
        sweep = next((each for each in open_sweeps if not each.begun), None) or self.luck.choice(open_sweeps)
        sweep.begun = True
        account = max(self.accounts, key=lambda each: each.left("graphql", self.moment))
        pages = sweep.pages_a_step
        if sweep.stored < sweep.threads:
            requests = round(pages * sweep.rest_a_page + self.luck.uniform(-0.5, 0.5))
            brought = round(pages * sweep.page * self.luck.uniform(0.7, 1.3))
            sweep.stored = min(sweep.threads, sweep.stored + max(1, brought))
            account.spend("graphql", pages, self.moment)
            sweep.spent_points += pages
        else:
            requests = pages
            sweep.tail_requests -= pages
        if requests > 0:
            account.spend("core", requests, self.moment)
            sweep.spent_requests += requests
        expected = sweep.expected
        if expected:
            left = max(expected - sweep.stored, 0)
            sweep.left = left if sweep.left is None else min(sweep.left, left)
        seconds = pages * self.seconds_a_page * mood * self.luck.uniform(0.5, 1.5)
        self.moment += seconds
        for each in self.accounts:
            for resource in ("graphql", "core"):
                # Other jobs take their part of the budget while this one goes on.
                others = pages * self.others * self.luck.uniform(0, 1) if resource == "graphql" else 0.0
                each.spend(resource, (seconds * self.traffic + others) / len(self.accounts), self.moment)
        return pages

    def _short_of_budget(self) -> float | None:
        """Returns when the first used-up budget is reset; None if no budget is used up."""
        for resource in ("graphql", "core"):
            if all(each.left(resource, self.moment) < 1 for each in self.accounts):
                return min(each.resets_at[resource] for each in self.accounts) + 1
        return None

    def _done(self) -> Mark:
        sweeps = [sweep for its in self.repositories for sweep in its]
        return Mark(
            self.moment - self.waited,
            sum(sweep.stored for sweep in sweeps),
            sum(sweep.spent_points for sweep in sweeps),
            sum(sweep.spent_requests for sweep in sweeps),
        )

    def _mark(self) -> None:
        self.marks.append(self._done())

    def _job(self) -> JobState:
        now = BEGINNING + timedelta(seconds=self.moment)
        repositories = [
            RepositoryView(
                repository_id=str(number),
                full_name=str(number),
                status="in_progress",
                error=None,
                started_at=BEGINNING,
                completed_at=None,
                waiting=None,
                waiting_until=None,
                types=[
                    sweep.view("completed" if sweep.is_over else "in_progress" if sweep.begun else "pending")
                    for sweep in its
                ],
            )
            for number, its in enumerate(self.repositories)
        ]
        waiting = None
        if self.waiting_until is not None:
            until = BEGINNING + timedelta(seconds=self.waiting_until)
            waiting = Waiting(reason="github_limit", since=now, until=until)
        return JobState(
            id="job",
            workspace_id="workspace",
            workspace_name="",
            workspace_slug="",
            status="in_progress",
            attempt=0,
            requested_by=None,
            retention_days=365,
            cutoff_at=BEGINNING,
            data_types=["pull_requests", "issues", "discussions"],
            total_repositories=len(repositories),
            completed_repositories=0,
            failed_repositories=0,
            created_at=BEGINNING,
            started_at=BEGINNING,
            completed_at=None,
            cancel_requested_at=None,
            paused_at=None,
            paused_by=None,
            retries_waiting=0,
            addon_ended_at=None,
            error_message=None,
            as_of=now,
            waiting=waiting,
            waiting_until=None,
            addon=None,
            unshown=0,
            repositories=repositories,
        )

    def _snapshot(self) -> Snapshot:
        job = self._job()
        now = self._done()
        half = next((each for each in self.marks if each.worked_seconds >= now.worked_seconds / 2), None)
        earlier = list(dict.fromkeys([*self.marks[:1], *([half] if half else [])]))
        windows = [
            Window(
                resource,
                each.left(resource, self.moment),
                LIMIT * SHARE,
                max(each.resets_at.get(resource, self.moment + each.period) - self.moment, 0.0),
            )
            for each in self.accounts
            for resource in ("graphql", "core")
        ]
        return Snapshot(self.moment, job, now, earlier, windows, self.others)
