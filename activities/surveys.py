"""Surveys of many repositories at a job's beginning, and what each sweep finds in its repository's."""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog
from pydantic import ValidationError

from errors import BackfillError, RetryLater, TooLarge
from github.client import GitHub
from github.surveys import Survey, batches, read_surveys
from messages import RepositoryRef
from store import surveys
from store.database import Connection, Database

log = structlog.get_logger(__name__)


async def survey(database: Database, github: GitHub, job_id: str, repositories: Sequence[RepositoryRef]) -> int:
    """Asks GitHub what these repositories have, stores the answers, and returns how many it got.

    What GitHub does not answer has no survey: its sweeps ask for themselves what there is, and meet what stands in the
    way. So no error of the taxonomy is raised for it.
    """
    ids = [each.repository_id for each in repositories]
    async with database.transaction() as connection:
        begun = await surveys.begun(connection, job_id, ids)
        stored = await surveys.stored_discussions(connection, ids)
    left = [each for each in repositories if each.github_id and each.repository_id not in begun]
    known = sorted(left, key=lambda each: each.full_name.lower())
    discussions = [stored.get(each.repository_id, 0) for each in known]
    found: dict[str, Survey] = {}

    async def ask(batch: range) -> None:
        left = deque([batch])
        while left:
            places = left.popleft()
            of = [known[place] for place in places]
            try:
                found.update(await read_surveys(github, of, [discussions[place] for place in places]))
            except TooLarge as error:
                log.info("a survey is too large", repositories=len(of), why=error.message)
                if len(places) > 1:
                    left += [places[: len(places) // 2], places[len(places) // 2 :]]
            except BackfillError as error:
                log.info("no survey", repositories=len(of), why=error.message)
                if isinstance(error, RetryLater):
                    return

    await asyncio.gather(*(ask(batch) for batch in batches(discussions)))
    rows = {repository_id: each.as_json() for repository_id, each in found.items()}
    async with database.transaction() as connection:
        await surveys.replace(connection, job_id, ids, rows)
    return len(found)


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
