"""Surveys of many repositories at a job's beginning, and what each sweep finds in its repository's."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import TypeVar

import structlog
from pydantic import ValidationError

from errors import BackfillError, RetryLater, TooLarge
from github.client import GitHub
from github.surveys import small
from github.surveys.counts import Survey, batches, read_surveys
from github.surveys.small import Small
from github.transport.prefetched import Prefetched, PrefetchedAnswer
from messages import RepositoryRef
from store import surveys
from store.database import Connection, Database
from store.sweeps import Sweep

log = structlog.get_logger(__name__)
T = TypeVar("T")
AnswerT = TypeVar("AnswerT")

SENDS_FOR = timedelta(seconds=12)
"""No request is sent later after the beginning, so that all answers are stored before the activity times out: sweeps
ask for what comes after that as well, and it would be paid twice."""


async def survey(database: Database, github: GitHub, job_id: str, repositories: Sequence[RepositoryRef]) -> int:
    """Asks GitHub what these repositories have, and for all of the small ones; returns how many surveys it got.

    What GitHub does not answer has no survey: its sweeps ask for themselves what there is, and meet what stands in the
    way. So no error of the taxonomy is raised for it.
    """
    until = monotonic() + SENDS_FOR.total_seconds()
    async with database.transaction() as connection:
        # A run that goes on for another begins with the page that the other had surveyed.
        fresh = await surveys.fresh(connection, job_id, [each.repository_id for each in repositories])
        ids = [each.repository_id for each in repositories if each.repository_id not in fresh]
        begun = await surveys.begun(connection, job_id, ids)
        stored = await surveys.stored_discussions(connection, ids)
        data_types, cutoff_at = await surveys.scope(connection, job_id)
        covered = await surveys.covered(connection, job_id, ids)
    left = [each for each in repositories if each.github_id and each.repository_id not in begun | fresh]
    known = sorted(left, key=lambda each: each.full_name.lower())
    discussions = [stored.get(each.repository_id, 0) for each in known]

    async def surveyed(places: Sequence[int]) -> Mapping[str, Survey]:
        return await read_surveys(github, [known[each] for each in places], [discussions[each] for each in places])

    found = await _each_batch("survey", batches(discussions), surveyed, until)
    smalls = []
    for repository in (each for each in known if each.repository_id in found):
        told = found[repository.repository_id]
        its = small.of_survey(repository, told, data_types, covered.get(repository.repository_id, ()))
        if its is not None:
            smalls.append(its)

    async def whole(those: Sequence[Small]) -> Mapping[str, Prefetched]:
        return await small.read_small(github, those, cutoff_at)

    answers = await _each_batch("small repositories", small.batches(smalls), whole, until)
    await _add_review_comments(github, known, answers, until)
    async with database.transaction() as connection:
        await surveys.replace(
            connection,
            job_id,
            ids,
            {repository_id: each.as_json() for repository_id, each in found.items()},
            {repository_id: each.packed() for repository_id, each in answers.items()},
        )
    return len(found)


async def _add_review_comments(
    github: GitHub, repositories: Sequence[RepositoryRef], answers: Mapping[str, Prefetched], until: float
) -> None:
    """The comments of the reviews that these answers show, of many repositories in one request."""
    reviews = {repository_id: small.reviews_of(each) for repository_id, each in answers.items()}
    every = [(each, repository_id) for repository_id, its in reviews.items() for each in its]
    if not every:
        return
    homes = {each.repository_id: each for each in repositories}

    most = small.MOST_REVIEWS
    batches_of_reviews = [every[place : place + most] for place in range(0, len(every), most)]

    async def comments(those: Sequence[tuple[str, str]]) -> Mapping[str, PrefetchedAnswer]:
        return await small.read_reviews(github, homes[those[0][1]], [node_id for node_id, _ in those])

    found = await _each_batch("review comments", batches_of_reviews, comments, until)
    for repository_id, its in reviews.items():
        told = {each: found[each] for each in its if each in found}
        if told:
            first = min(told.values(), key=lambda each: each.asked_at)
            data = {node_id: each.data for node_id, each in told.items() if each.account == first.account}
            answers[repository_id].told["ReviewComments"] = PrefetchedAnswer(first.asked_at, first.account, data)


async def _each_batch(
    what: str,
    every: Sequence[Sequence[T]],
    ask: Callable[[Sequence[T]], Awaitable[Mapping[str, AnswerT]]],
    until: float,
) -> dict[str, AnswerT]:
    """What the batches' requests bring, side by side. One that is too large is halved; one that fails is left out, and
    so is what is not sent `until` then."""
    found: dict[str, AnswerT] = {}

    async def ask_all(batch: Sequence[T]) -> None:
        left = deque([batch])
        while left:
            those = left.popleft()
            if monotonic() >= until:
                log.info("not surveyed: it takes too long", what=what, number=len(those))
                continue
            try:
                found.update(await ask(those))
            except TooLarge as error:
                log.info("too many at once", what=what, number=len(those), why=error.message)
                if len(those) > 1:
                    left += [those[: len(those) // 2], those[len(those) // 2 :]]
            except BackfillError as error:
                log.info("not surveyed: sweeps ask for themselves", what=what, number=len(those), why=error.message)
                if isinstance(error, RetryLater):
                    return

    await asyncio.gather(*(ask_all(batch) for batch in every))
    return found


async def read(connection: Connection, job_id: str, repository: RepositoryRef) -> Survey | None:
    """The repository's survey, if this job had one moments ago; None for one that another release wrote."""
    content = await surveys.read(connection, job_id, repository.repository_id)
    if content is None:
        return None
    try:
        found = Survey.of_json(content)
    except ValidationError as error:
        log.info("a survey cannot be read", errors=error.error_count())
        return None
    return found if found.facts.github_id == repository.github_id else None


async def unpack_answers(connection: Connection, sweep: Sweep, prefetched: Prefetched) -> None:
    """Fills in what a sweep that has asked for nothing yet need not ask for."""
    packed = await surveys.answers(connection, sweep.job_id, sweep.repository.repository_id)
    if packed is not None and not sweep.position:
        prefetched.unpack(packed)
