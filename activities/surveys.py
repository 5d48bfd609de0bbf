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

SENDS_FOR = timedelta(seconds=60)
"""Time in which requests are sent, so that all answers are stored before the activity times out. The sweeps pay again
for an answer that is not stored.
"""

SHORTEST_WAIT = 0.5
"""Shortest wait for the end of a limit, in seconds."""
WAITS_IN_PLACE = timedelta(seconds=5)
"""Longest wait for which the survey keeps its slot. For a longer wait it ends, and continues as another attempt."""
NEXT_ATTEMPT = timedelta(seconds=30)
"""Time that another attempt needs at least."""
WAITS_FOR = timedelta(minutes=5)
"""Limits that end later are not waited for. The sweeps then send the requests whose budget is not used up."""


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
    database: Database,
    github: GitHub,
    job_id: str,
    repositories: Sequence[RepositoryRef],
    stop: asyncio.Event,
    ends_at: datetime | None = None,
) -> Surveyed:
    """Surveys these repositories, and reads the small repositories whole. A job surveys each repository once. Once
    `stop` is set, no further request is sent. `ends_at` is the end of the time for all attempts; None: there is none. A
    limit that leaves no time for another attempt is not waited for.

    Raises `RetryLater` if a limit of GitHub's stops the survey for a while. The repositories show that wait. The next
    call continues where this call stopped. No other error of the taxonomy is raised. A repository that GitHub does not
    answer for gets no survey. The repository's sweeps then send their own requests, and raise the errors.
    """
    ids = [each.repository_id for each in repositories]
    async with database.transaction() as connection:
        known = await surveys.known(connection, job_id, ids)
        begun = await surveys.begun(connection, job_id, ids)
        stored = await surveys.stored_discussions(connection, ids)
        private = await surveys.private(connection, ids)
        data_types, cutoff_at = await surveys.scope(connection, job_id)
        covered = await surveys.covered(connection, job_id, ids)
        # The limit of the attempt before is over. If this attempt is the last and is killed, nothing else says so.
        await surveys.show_wait(connection, job_id, ids, None)
    page = _Page(database, github, job_id, data_types, cutoff_at, covered, stop, ends_at)
    left = []
    for each in repositories:
        if each.github_id and each.repository_id not in begun:
            earlier = known.get(each.repository_id)
            # By an old count a repository may look small that is not any more. Its sweeps send their own requests.
            if earlier is None or (page.remember(each.repository_id, earlier) and earlier.is_fresh):
                left.append(each)
    await asyncio.gather(*(page.survey(group, stored) for group in _by_reader(left, private)))
    async with database.transaction() as connection:
        await surveys.show_wait(connection, job_id, [each.repository_id for each in left], page.waiting())
    if page.limit is not None:
        raise page.limit
    long = [each for each in ids if each in page.found and small.is_long(page.found[each], page.wanted(each))]
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
        data_types: Sequence[str],
        cutoff_at: datetime,
        covered: Mapping[str, Sequence[str]],
        stop: asyncio.Event,
        ends_at: datetime | None,
    ) -> None:
        self._database = database
        self._github = github
        self._job_id = job_id
        self._data_types = data_types
        self._cutoff_at = cutoff_at
        self._covered = covered
        self._stop = stop
        self._ends_at = ends_at
        self._until = monotonic() + SENDS_FOR.total_seconds()
        self._answers: dict[str, Prefetched] = {}
        self._storing = asyncio.Lock()
        """Held while a repository's answers are stored: they are stored as a whole, and two requests may add some."""
        self.found: dict[str, Survey] = {}
        self.limit: RetryLater | None = None
        """The limit that ends last of those that stopped the survey; None if it is done."""

    def remember(self, repository_id: str, known: surveys.Known) -> bool:
        """Continues with what an earlier call stored of a repository. Returns False if another release wrote it, and
        this release cannot read it.
        """
        survey = _as_survey(known.survey)
        if survey is None:
            return False
        self.found[repository_id] = survey
        if known.packed is not None:
            self._answers[repository_id] = answers = Prefetched()
            answers.unpack(known.packed)
        return True

    def waiting(self) -> Waiting | None:
        """Returns the wait for the limit that stopped the survey, or None if no limit did."""
        limit = self.limit
        if limit is None:
            return None
        since = limit.since or datetime.now(UTC)
        return Waiting(reason=limit.waits_for, since=since, until=limit.at, detail=limit.message)

    def wanted(self, repository_id: str) -> frozenset[str]:
        """Returns the data types whose history the job reads in this repository. Earlier jobs covered the history of
        the job's other types.
        """
        return frozenset(self._data_types).difference(self._covered.get(repository_id, ()))

    async def survey(self, group: Sequence[RepositoryRef], stored: Mapping[str, int]) -> None:
        """Surveys the repositories of `group`, and then reads the small repositories among them whole. Leaves out what
        an earlier call has stored. `stored` maps a repository's id to the number of its stored discussions.
        """
        new = [each for each in group if each.repository_id not in self.found]
        discussions = [stored.get(each.repository_id, 0) for each in new]

        async def counted(places: Sequence[int]) -> None:
            told = await read_surveys(
                self._github, [new[each] for each in places], [discussions[each] for each in places]
            )
            self.found.update(told)
            async with self._database.transaction() as connection:
                await surveys.keep(connection, self._job_id, {key: each.as_json() for key, each in told.items()})

        await self._each_batch("survey", batches(discussions), counted)
        every = [
            small.of_survey(each, self.found[each.repository_id], self.wanted(each.repository_id))
            for each in group
            if each.repository_id in self.found and each.repository_id not in self._answers
        ]
        await self._each_batch("small repositories", small.batches([each for each in every if each]), self._whole)
        reviews = [
            (node_id, each)
            for each in group
            if each.repository_id in self._answers
            for node_id in small.reviews_of(self._answers[each.repository_id])
            if node_id not in self._answers[each.repository_id].reviews
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
        A batch that fails, or that cannot be sent in time, is skipped. If a limit stops a batch, `limit` is set. `what`
        names the batches in the log.
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
                        log.info("limited", what=what, number=len(those), why=error.message, until=error.at)
                        return
                    left.appendleft(those)
                except BackfillError as error:
                    log.info("not surveyed: sweeps ask for themselves", what=what, number=len(those), why=error.message)

        await asyncio.gather(*(ask_all(batch) for batch in every))

    async def _wait(self, limit: RetryLater) -> bool:
        """Waits for the end of the limit, and returns True. Returns False at once if that takes too long here, or if
        GitHub is away, because nobody knows for how long. The next call then continues, unless the limit ends much
        later. Returns False as soon as `stop` is set.
        """
        left = limit.at - datetime.now(UTC)
        seconds = max(left.total_seconds(), SHORTEST_WAIT)
        is_away = limit.waits_for == "github_away"
        if is_away or left > WAITS_IN_PLACE or monotonic() + seconds >= self._until:
            in_time = self._ends_at is None or limit.at <= self._ends_at - NEXT_ATTEMPT
            if left <= WAITS_FOR and in_time and (self.limit is None or self.limit.at < limit.at):
                self.limit = limit
            return False
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False


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
