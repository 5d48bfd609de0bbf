"""Surveys many repositories at the beginning of a job, and gives each sweep the survey of its repository."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError

from errors import BackfillError, RetryLater, TooLarge
from github.client import GitHub
from github.surveys import small
from github.surveys.counts import Survey, batches, read_surveys
from github.surveys.small import Small
from github.transport.prefetched import Prefetched
from messages import RepositoryRef, Waiting
from store import surveys
from store.database import Connection, Database
from store.sweeps import Sweep

log = structlog.get_logger(__name__)
T = TypeVar("T")

SENDS_FOR = timedelta(seconds=180)
"""Time in which requests are sent, so that all answers are stored before the activity times out. The sweeps pay again
for an answer that is not stored. An account's minute ends twice in it: a repository that is read by its sweeps instead
costs three times as much, so to wait is cheaper for everybody who shares the account.
"""

SHORTEST_WAIT = 0.5
"""Shortest wait for the end of a limit, in seconds."""
SHOWN_FROM = 3.0
"""Waits of fewer seconds are not shown, because nobody could read them."""


@dataclass(frozen=True)
class Surveyed:
    """The result of surveying several repositories."""

    number: int
    """How many repositories have a survey."""
    long: list[str]
    """Ids of the repositories whose history counts as long by the survey, and of which the job has read nothing yet."""

    @property
    def goes_on(self) -> bool:
        """Always False. A survey has no further slice, because the sweeps themselves request everything that the survey
        did not get.
        """
        return False


async def survey(
    database: Database, github: GitHub, job_id: str, repositories: Sequence[RepositoryRef], stop: asyncio.Event
) -> Surveyed:
    """Surveys these repositories, and reads the small repositories whole. A job surveys each repository once. Once
    `stop` is set, no further request is sent.

    Raises no error of the taxonomy. A repository that GitHub does not answer for gets no survey. The repository's
    sweeps then send their own requests, and raise the errors.
    """
    ids = [each.repository_id for each in repositories]
    async with database.transaction() as connection:
        # A run that goes on for another begins with the page that the other had surveyed.
        known = await surveys.known(connection, job_id, ids)
        begun = await surveys.begun(connection, job_id, ids)
        stored = await surveys.stored_discussions(connection, ids)
        private = await surveys.private(connection, ids)
        data_types, cutoff_at = await surveys.scope(connection, job_id)
        covered = await surveys.covered(connection, job_id, ids)
    left = [each for each in repositories if each.github_id and each.repository_id not in begun | known.keys()]
    page = _Page(database, github, job_id, ids, data_types, cutoff_at, covered, stop)
    await asyncio.gather(*(page.survey(group, stored) for group in _by_reader(left, private)))
    found = dict(page.found)
    for repository_id, content in known.items():
        told = _as_survey(content)
        if told is not None and repository_id not in begun:
            found[repository_id] = told
    long = [each for each in ids if each in found and small.is_long(found[each], page.wanted(each))]
    return Surveyed(len(page.found), long)


def _by_reader(repositories: Sequence[RepositoryRef], private: Collection[str]) -> list[list[RepositoryRef]]:
    """Divides repositories into groups, each ordered by name. One request can ask for any repositories of the same
    group.

    All public repositories are one group. The private repositories of each owner are a group of their own, because only
    the owner's credentials may read them.
    """
    groups: dict[str, list[RepositoryRef]] = {}
    for each in sorted(repositories, key=lambda each: each.full_name.lower()):
        owner = each.full_name.lower().partition("/")[0] if each.repository_id in private else ""
        groups.setdefault(owner, []).append(each)
    return list(groups.values())


class _Page:
    """Surveys one page of repositories. Each answer is stored at once, so a killed worker loses only the requests in
    flight.
    """

    def __init__(
        self,
        database: Database,
        github: GitHub,
        job_id: str,
        repository_ids: Sequence[str],
        data_types: Sequence[str],
        cutoff_at: datetime,
        covered: Mapping[str, Sequence[str]],
        stop: asyncio.Event,
    ) -> None:
        self._database = database
        self._github = github
        self._job_id = job_id
        self._ids = repository_ids
        self._data_types = data_types
        self._cutoff_at = cutoff_at
        self._covered = covered
        self._stop = stop
        self._until = monotonic() + SENDS_FOR.total_seconds()
        self._answers: dict[str, Prefetched] = {}
        self._waits: list[Waiting] = []
        """The waits of all batches."""
        self._shown: Waiting | None = None
        self._showing = asyncio.Lock()
        self._storing = asyncio.Lock()
        """Held while a repository's answers are stored: they are stored as a whole, and two requests may add some."""
        self.found: dict[str, Survey] = {}

    def wanted(self, repository_id: str) -> frozenset[str]:
        """Returns the data types whose history the job reads in this repository. Earlier jobs covered the history of
        the job's other types.
        """
        return frozenset(self._data_types).difference(self._covered.get(repository_id, ()))

    async def survey(self, group: Sequence[RepositoryRef], stored: Mapping[str, int]) -> None:
        """Surveys the repositories of `group`, and then reads the small repositories among them whole. `stored` maps a
        repository's id to the number of its stored discussions.
        """
        discussions = [stored.get(each.repository_id, 0) for each in group]

        async def counted(places: Sequence[int]) -> None:
            told = await read_surveys(
                self._github, [group[each] for each in places], [discussions[each] for each in places]
            )
            self.found.update(told)
            async with self._database.transaction() as connection:
                await surveys.keep(connection, self._job_id, {key: each.as_json() for key, each in told.items()})

        await self._each_batch("survey", batches(discussions), counted)
        every = [
            small.of_survey(each, self.found[each.repository_id], self.wanted(each.repository_id))
            for each in group
            if each.repository_id in self.found
        ]
        await self._each_batch("small repositories", small.batches([each for each in every if each]), self._whole)
        reviews = [
            (node_id, each)
            for each in group
            if each.repository_id in self._answers
            for node_id in small.reviews_of(self._answers[each.repository_id])
        ]
        most = small.MOST_REVIEWS
        together = [reviews[place : place + most] for place in range(0, len(reviews), most)]
        await self._each_batch("review comments", together, self._comments)

    async def _whole(self, those: Sequence[Small]) -> None:
        told = await small.read_small(self._github, those, self._cutoff_at)
        self._answers.update(told)
        await self._store(told)

    async def _comments(self, those: Sequence[tuple[str, RepositoryRef]]) -> None:
        told = await small.read_reviews(self._github, those[0][1], [node_id for node_id, _ in those])
        repositories = {node_id: each.repository_id for node_id, each in those}
        for node_id, answer in told.items():
            self._answers[repositories[node_id]].reviews[node_id] = answer
        await self._store({repositories[node_id] for node_id in told})

    async def _store(self, repository_ids: Collection[str]) -> None:
        async with self._storing:
            packed = {each: self._answers[each].packed() for each in repository_ids}
            async with self._database.transaction() as connection:
                await surveys.keep_answers(connection, self._job_id, packed)

    async def _each_batch(
        self, what: str, every: Sequence[Sequence[T]], ask: Callable[[Sequence[T]], Awaitable[None]]
    ) -> None:
        """Calls `ask` for all batches of `every` at the same time. A batch that is too large for one request is halved.
        A batch that fails, or that cannot be sent in time, is skipped. `what` names the batches in the log.
        """

        async def ask_all(batch: Sequence[T]) -> None:
            left = deque([batch])
            while left:
                those = left.popleft()
                if monotonic() >= self._until or self._stop.is_set():
                    log.info("not surveyed: it takes too long", what=what, number=len(those))
                    continue
                try:
                    await ask(those)
                except TooLarge as error:
                    log.info("too many at once", what=what, number=len(those), why=error.message)
                    if len(those) > 1:
                        left += [those[: len(those) // 2], those[len(those) // 2 :]]
                except RetryLater as error:
                    if not await self._wait(error):
                        log.info("not surveyed: limited", what=what, number=len(those), why=error.message)
                        return
                    left.appendleft(those)
                except BackfillError as error:
                    log.info("not surveyed: sweeps ask for themselves", what=what, number=len(those), why=error.message)

        await asyncio.gather(*(ask_all(batch) for batch in every))

    async def _wait(self, limit: RetryLater) -> bool:
        """Waits for the end of the limit, and returns True. The page's repositories show the wait. Returns False at
        once if the survey has to end before the limit does. Returns False as soon as `stop` is set.
        """
        now = datetime.now(UTC)
        seconds = max((limit.at - now).total_seconds(), SHORTEST_WAIT)
        if monotonic() + seconds >= self._until:
            return False
        if seconds < SHOWN_FROM:
            return await self._sleep(seconds)
        wait = Waiting(reason=limit.waits_for, since=limit.since or now, until=limit.at, detail=limit.message)
        self._waits.append(wait)
        await self._show()
        over = await self._sleep(seconds)
        self._waits.remove(wait)
        await self._show()
        return over

    async def _sleep(self, seconds: float) -> bool:
        """Returns True after this time, or False as soon as `stop` is set."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False

    async def _show(self) -> None:
        """Shows the first wait of those that go on, if any, at the page's repositories."""
        async with self._showing:
            waiting = self._waits[0] if self._waits else None
            if waiting is self._shown:
                return
            async with self._database.transaction() as connection:
                await surveys.show_wait(connection, self._job_id, self._ids, waiting, before=self._shown)
            self._shown = waiting


async def read(connection: Connection, job_id: str, repository: RepositoryRef) -> Survey | None:
    """Returns the survey that this job made of the repository in the last ten minutes. Returns None if there is no such
    survey, or if the survey shows a repository with another GitHub id. Also returns None if another release wrote the
    survey, and this release cannot read it.
    """
    content = await surveys.read(connection, job_id, repository.repository_id)
    if content is None:
        return None
    found = _as_survey(content)
    return found if found is not None and found.facts.github_id == repository.github_id else None


def _as_survey(content: Mapping[str, Any]) -> Survey | None:
    try:
        return Survey.of_json(content)
    except ValidationError as error:
        log.info("a survey cannot be read", errors=error.error_count())
        return None


async def unpack_answers(connection: Connection, sweep: Sweep, prefetched: Prefetched) -> None:
    """Loads the answers that were prefetched for the sweep's repository into `prefetched`. Does nothing if the sweep
    has already committed a position.
    """
    if sweep.position:
        return
    answers = await surveys.answers(connection, sweep.job_id, sweep.repository.repository_id)
    if answers is not None:
        prefetched.unpack(answers.packed, is_old=answers.is_old)
