"""Plays a scenario: runs its jobs one after the other by the real activities, in lives that are killed where the
scenario says.
"""

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from activities.threads.position import ThreadPosition
from github.threads.thread_types import THREAD_TYPES
from messages import Pace, RepositoryOutcome, RepositoryRef, RepositoryScope, RepositoryTransition, TypeOutcome
from sandbox.github import Clock, StandIn, World
from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults import Effect, GatewayTimeout
from sandbox.github.generation import repository as generate
from sandbox.github.world.discussions import Discussion
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Thread
from sandbox.purchase import HostRepository, create_workspace
from store import job_end, job_requests, job_start, transitions
from store.database import Database
from tests.support import shop
from tests.support.backfill.life import TOKEN, Crashed, Death, Ended, Life, Limited, Orders
from tests.support.backfill.scenario import (
    ACTIONS,
    DATA_TYPES,
    FAULTS,
    Break,
    Choice,
    Do,
    Job,
    Kill,
    Nothing,
    Scenario,
    Step,
)
from tests.support.backfill.unseen import Proof, Watch
from tests.support.shop import connected

BEGIN = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
MOST_RETRIES = 6
PAGES = {kind.page for kind in THREAD_TYPES.values()}
WHOLE = PAGES | {name for kind in THREAD_TYPES.values() for name in (kind.by_id, kind.heads)}
Asked = tuple[str, str | None]


@dataclass
class Played:
    """The result of one job."""

    job_id: str
    cutoff_at: datetime
    proofs: dict[str, Proof] = field(default_factory=dict)


class _Stage(Effect):
    """Is called for each request: lets time pass, does what is due in the scenario, and watches what is served."""

    def __init__(self, play: "Play") -> None:
        self._play = play

    def instead(self, request: Request, budget: Budget) -> Reply | None:  # noqa: ARG002
        self._play.asked(request)
        return None

    def spoil(self, request: Request, thing: Any, place: int, size: int) -> Exception | None:  # noqa: ARG002
        # A page's `changes` only list threads.
        if request.operation in WHOLE and request.answering != "changes" and isinstance(thing, Thread | Discussion):
            self._play.watch.served(thing)
        return None


class Play:
    """Plays one scenario. `happened` lists what was done, in order."""

    def __init__(self, scenario: Scenario, dsn: str) -> None:
        self.scenario = scenario
        self.dsn = dsn
        world = World(Clock(BEGIN, stopped=True))
        self.repository: Repository = generate(world, scenario.plan)
        self.watch = Watch(self.repository)
        self.github = StandIn(world, tokens={TOKEN: "viewer"})
        self.happened: list[str] = []
        self._steps: list[Step] = []
        self._requests = 0
        self._last: Asked = ("", None)
        self._before: Asked = ("", None)
        self._life: Life | None = None
        self._living = threading.Event()
        self._asked: Counter[Asked] = Counter()
        self._excused: Counter[Asked] = Counter()
        self._cursors_refused = False
        self._killed_asking = False

    def __enter__(self) -> "Play":
        self.github.__enter__()
        self._switch_on()
        return self

    def __exit__(self, *how: Any) -> None:
        self.github.__exit__(*how)

    def _switch_on(self) -> None:
        self.github.faults.add(_Stage(self), times=None)
        if self.scenario.most_threads:
            self.github.faults.add(GatewayTimeout(), times=None, kind="graphql", when=self._is_too_large)
        if self.scenario.most_listed:
            self.github.faults.add(GatewayTimeout(), times=None, kind="rest", when=self._lists_too_many)

    def _is_too_large(self, request: Request) -> bool:
        return request.operation in PAGES and request.variables["first"] > self.scenario.most_threads

    def _lists_too_many(self, request: Request) -> bool:
        size = parse_qs(request.path.partition("?")[2]).get("per_page", ["1"])[0]
        return "/pulls/comments?" in request.path and int(size) > self.scenario.most_listed

    # In the stand-in's thread

    def asked(self, request: Request) -> None:
        self._living.wait()
        self._requests += 1
        self.repository.world.clock.advance(self.scenario.tick)
        after = request.variables.get("after")
        self._before, self._last = self._last, (request.operation, after)
        due = [step for step in self._steps if step.at == self._requests and _is_of_a_request(step)]
        self._steps = [step for step in self._steps if step not in due]
        for step in due:
            self._perform(step, request)

    def _perform(self, step: Step, request: Request | None) -> None:
        if isinstance(step, Do):
            try:
                ACTIONS[step.what](self.repository, Choice(step.pick))
            except Nothing:
                return
            self.watch.changed()
        elif request is None:
            return
        elif isinstance(step, Kill):
            assert self._life is not None
            self._life.kill()
            self._killed_asking = True
        elif step.fault == "a refused cursor":
            if not self._last[1]:
                return
            self.github.faults.refuse_cursor(self._last[1])
            self._cursors_refused = True
        else:
            effect, how = FAULTS[step.fault]()
            self.github.faults.add(effect, times=step.times, **how)
        what = f"{request.operation or request.path} after {self._last[1]}" if request else "nothing"
        self.happened.append(f"{self.repository.world.clock.stamp()} during request {self._requests}, {what}: {step}")

    # In the test's

    async def workspace(self, database: Database) -> tuple[str, RepositoryRef]:
        repo = self.repository
        workspace_id = (await create_workspace(self.dsn, [HostRepository.of(repo)])).workspace_id
        async with database.transaction() as connection:
            repository_id = await connection.fetchval(
                "select id::text from repositories where github_id = $1", repo.database_id
            )
        ref = RepositoryRef(repository_id=repository_id, github_id=repo.database_id, full_name=repo.name_with_owner)
        return workspace_id, ref

    async def run(self, database: Database, workspace_id: str, ref: RepositoryRef, job: Job) -> Played:
        """Runs the job to its end, with retries if it fails. Raises if it fails without a reason in the scenario."""
        world = self.repository.world
        world.clock.advance(job.pause)
        cutoff_at = world.clock.now() - timedelta(days=job.days)
        async with database.transaction() as connection:
            job_id = await job_requests.ask_for(
                connection,
                workspace=workspace_id,
                retention_days=job.days,
                data_types=DATA_TYPES,
                fresh=job.fresh,
                actor=shop.OPERATOR,
            )
            # By the stand-in's clock, not by Postgres'.
            await connection.execute(
                "update workspace_backfill_jobs set cutoff_at = $2 where id = $1", job_id, cutoff_at
            )
        self._steps, self._requests = list(job.steps), 0
        begun = len(self.github.log)
        deaths = deque(
            Death(step.at, step.where)
            for step in job.steps
            if isinstance(step, Kill) and step.where in ("before commit", "after commit")
        )
        for attempt in range(MOST_RETRIES):
            outcomes = await self._attempt(database, workspace_id, ref, job_id, cutoff_at, deaths)
            status = "failed" if any(each.status == "failed" for each in outcomes) else "completed"
            async with database.transaction() as connection:
                outcome = RepositoryOutcome.model_validate({"repository": ref, "status": status, "types": outcomes})
                transition = RepositoryTransition(job_id=job_id, attempt=attempt, sequence=9, outcome=outcome)
                await transitions.record(connection, transition)
                await job_end.finish(connection, job_id, attempt, canceled=False)
            if status == "completed":
                break
            self._judge(outcomes, job)
            async with database.transaction() as connection:
                await job_requests.ask_again(connection, job_id, actor=shop.OPERATOR)
        else:
            raise AssertionError(f"failed {MOST_RETRIES} times: {outcomes}")
        for step in self._steps:
            self._perform(step, None)
        self._steps = []
        self.github.faults.clear()
        self._switch_on()
        if job.fresh:
            # What others had covered counts no more.
            self._asked.clear()
        else:
            self._asked.update(
                (entry.operation, entry.after)
                for entry in self.github.log[begun:]
                if entry.operation in PAGES and entry.status == 200 and not entry.errors and entry.fault == "_Stage"
            )
        return Played(job_id, cutoff_at, await self._proofs(database, job_id))

    async def _attempt(
        self,
        database: Database,
        workspace_id: str,
        ref: RepositoryRef,
        job_id: str,
        cutoff_at: datetime,
        deaths: "deque[Death]",
    ) -> list[TypeOutcome]:
        async with database.transaction() as connection:
            plan = await job_start.begin(connection, job_id, Pace(slice_pages=self.scenario.slice_pages))
        outcomes: dict[str, TypeOutcome] = {}
        scope = RepositoryScope(repository=ref, data_types=plan.data_types)
        inspected = False
        while True:
            self._living.clear()
            self._killed_asking = False
            orders = Orders(
                dsn=self.dsn,
                github_url=self.github.url,
                job_id=job_id,
                workspace_id=workspace_id,
                attempt=plan.attempt,
                repository=scope.repository,
                cutoff_at=cutoff_at,
                data_types=tuple(each for each in scope.data_types if each not in outcomes),
                pace=plan.pace,
                inspected=inspected,
                death=deaths.popleft() if deaths else None,
                listed_from=self.scenario.listed_from,
            )
            self._life = Life(orders)
            self._living.set()
            limited = False
            for told in self._life.told():
                match told:
                    case RepositoryScope():
                        scope, inspected = told, True
                        outcomes |= {each.data_type: each for each in told.settled}
                    case Ended():
                        status: Any = told.result.outcome
                        outcomes[told.data_type] = TypeOutcome(
                            data_type=told.data_type, status=status, failure=told.result.failure
                        )
                        if status == "failed":
                            self._excused[self._last] += 1
                    case Limited():
                        limited = True
                    case Crashed():
                        raise AssertionError(told.text)
            if self._life.killed:
                # Also after a commit: it may be of another transaction than the page's, such as that of its people.
                self._excused[self._last] += 1
                # The next page is asked for while the one before is committed.
                self._excused[self._before] += 1
                how = "killed asking" if self._killed_asking else f"died by {orders.death}"
                self.happened.append(f"{how}, after request {self._requests}")
            elif limited:
                self.repository.world.clock.advance(3_601)
                async with connected(self.dsn) as connection:
                    # Its clock is Postgres', in which no hour has passed.
                    await connection.execute("delete from github_budgets")
            elif inspected and all(each in outcomes for each in scope.data_types):
                return list(outcomes.values())
            else:
                raise AssertionError("a life ended without a word")

    def _judge(self, outcomes: list[TypeOutcome], job: Job) -> None:
        """Raises for a failure that nothing in the scenario has caused."""
        for outcome in outcomes:
            if outcome.status != "failed":
                continue
            assert outcome.failure is not None
            broken = any(isinstance(step, Break) for step in job.steps)
            taken_over = any(isinstance(step, Do) and step.what == "take over repository name" for step in job.steps)
            caused = broken if outcome.failure.code != "renamed" else taken_over
            assert caused, f"{outcome.data_type} failed for no reason: {outcome.failure}"

    async def _proofs(self, database: Database, job_id: str) -> dict[str, Proof]:
        """Returns the proofs of the job's sweeps. Raises unless each sweep is skipped, or completed with a proof."""
        async with database.transaction() as connection:
            rows = await connection.fetch(
                "select data_type, status, proof, position from backfill_sweeps where backfill_job_id = $1", job_id
            )
            left = await connection.fetchval("select count(*) from backfill_parts where backfill_job_id = $1", job_id)
        assert left == 0, f"{left} parts are left"
        proofs = {}
        for row in rows:
            if row["status"] == "skipped":
                continue
            assert row["status"] == "completed", f"{row['data_type']} is {row['status']}"
            assert row["proof"], f"{row['data_type']} is completed without a proof"
            position = ThreadPosition.read(row["position"])
            assert position.as_of is not None
            proofs[row["data_type"]] = Proof(
                position.as_of, position.comments_as_of or Proof().comments_as_of, position.reached_end
            )
        assert len(rows) == len(DATA_TYPES)
        return proofs

    def asked_twice(self) -> list[str]:
        """Returns the pages of whole threads that were requested again, without those that a killed worker could not
        have kept.
        """
        if self._cursors_refused:
            # The place is found again by listing: what lies around it is swept twice, by design.
            return []
        return [f"{asked} {times} times" for asked, times in (self._asked - self._excused).items() if times > 1]


def _is_of_a_request(step: Step) -> bool:
    return not isinstance(step, Kill) or step.where == "request"
