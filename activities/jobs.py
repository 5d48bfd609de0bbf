"""Activities that begin and end a job, list its repositories, and record the state of each repository."""

import asyncio
import random
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities import surveys
from activities.attempts import HEARTBEAT_SECONDS, stopping_at_a_boundary
from activities.embeddings.reader import without_key
from activities.failures import as_application_error, as_failure
from errors import BackfillError, RetryLater
from github.client import GitHub
from github.repositories import Facts, inspect
from messages import (
    BeginJob,
    DataType,
    Failure,
    FinishJob,
    FreePlaces,
    JobOutcome,
    JobPlan,
    JobStanding,
    NextRepositories,
    Pace,
    RepositoryBackfill,
    RepositoryRef,
    RepositoryScope,
    RepositoryTransition,
    SignalRequest,
    SurveyRepositories,
    WaitingRepositories,
)
from store import job_end, job_pauses, job_start, repositories, signal_requests, transitions, waiting
from store import surveys as stored_surveys
from store.database import Database

INSPECTED = timedelta(hours=1)
"""How long the recent leg's look-up of a repository is valid for the next leg."""


class JobActivities:
    """The activities of jobs. `search_attributes` are the names of the search attributes that the Temporal namespace
    has. `embeds` says whether the worker has an OpenAI key.
    """

    def __init__(
        self, database: Database, github: GitHub, pace: Pace, search_attributes: Collection[str], *, embeds: bool
    ) -> None:
        self._database = database
        self._github = github
        self._pace = pace
        self._search_attributes = sorted(search_attributes)
        self._embeds = embeds

    @activity.defn(name="begin_job")
    async def begin_job(self, job: BeginJob) -> JobPlan:
        """Starts the job and returns its plan. The job's first attempt also records which repositories the job reads,
        and notifies the workspace's owner.
        """
        try:
            async with self._database.transaction() as connection:
                plan = await job_start.begin(connection, job.job_id, self._pace)
        except BackfillError as error:
            raise as_application_error(error) from error
        return plan.with_search_attributes(self._search_attributes)

    @activity.defn(name="next_repositories")
    async def next_repositories(self, page: NextRepositories) -> list[RepositoryRef]:
        """Returns the next page of the job's repositories, in order of id. Repositories whose backfill has ended are
        not returned.
        """
        try:
            async with self._database.transaction() as connection:
                return await transitions.next_repositories(
                    connection, page.job_id, page.after, page.limit, page.repository_ids
                )
        except BackfillError as error:
            raise as_application_error(error) from error

    @activity.defn(name="survey_repositories")
    async def survey_repositories(self, those: SurveyRepositories) -> int:
        """Surveys these repositories before their sweeps begin. Returns the number of repositories that GitHub answered
        for.

        Only workflows that began under an earlier release call this activity. All other workflows call `survey_page`.
        """
        return (await self._surveyed(those)).number

    @activity.defn(name="survey_page")
    async def survey_page(self, those: SurveyRepositories) -> list[str]:
        """Surveys these repositories before their sweeps begin. Returns the ids of the repositories whose history is
        long.
        """
        return (await self._surveyed(those)).long

    async def _surveyed(self, those: SurveyRepositories) -> surveys.Surveyed:
        stop, alive = asyncio.Event(), asyncio.create_task(_stay_alive())
        try:
            async with self._database.transaction() as connection:
                repositories = await transitions.next_repositories(
                    connection, those.job_id, None, len(those.repository_ids), those.repository_ids
                )
            info = activity.info()
            within = info.schedule_to_close_timeout
            ends_at = info.scheduled_time + within if within else None
            survey = surveys.survey(self._database, self._github, those.job_id, repositories, stop, ends_at)
            return await stopping_at_a_boundary(survey, stop)
        except RetryLater as error:
            # A few seconds more, so that not all surveys that wait for one limit ask at the same moment.
            more = timedelta(seconds=random.uniform(0, 5))  # nosec B311 # a pause, no secret
            pause = max(error.at - datetime.now(UTC), timedelta(0)) + more
            raise as_application_error(error, pause) from error
        except BackfillError as error:
            raise as_application_error(error) from error
        finally:
            alive.cancel()

    @activity.defn(name="repositories_that_may_go_on")
    async def repositories_that_may_go_on(self, those: WaitingRepositories) -> list[str]:
        """Returns the ids of the waiting repositories in which a data type no longer has to wait for another job. Also
        returns repositories that were removed from the workspace, because they have to continue in order to end.
        """
        try:
            async with self._database.transaction() as connection:
                return await waiting.may_go_on(connection, those.job_id, those.repository_ids)
        except BackfillError as error:
            raise as_application_error(error) from error

    @activity.defn(name="inspect_repository")
    async def inspect_repository(self, backfill: RepositoryBackfill) -> RepositoryScope:
        """Looks the repository up at GitHub. Returns the repository's current name, and the data types that are still
        to be read. Data types that cannot be read get the state `skipped`. If a rate limit forbids the request, the
        result says when the limit ends.

        A historical leg sends no request if the job stored data of the repository within the last hour (`INSPECTED`).
        After a longer time the repository may have been renamed. Raises an ApplicationError if GitHub does not show the
        repository.
        """
        ref = backfill.repository
        try:
            if backfill.leg == "historical" and await self._was_read(backfill):
                return await self._scope(backfill, ref)
            try:
                facts = await self._facts(backfill)
            except RetryLater as error:
                scope = await self._scope(backfill, ref)
                return scope.limited(error.at, error.message[:2_000], error.waits_for, error.since)
            async with self._database.transaction() as connection:
                await repositories.update(
                    connection,
                    ref.repository_id,
                    github_id=facts.github_id,
                    full_name=facts.full_name,
                    is_private=facts.is_private,
                    is_archived=facts.is_archived,
                    has_issues=facts.has_issues,
                    has_discussions=facts.has_discussions,
                )
                begun = await transitions.begun_types(connection, backfill.job_id, ref.repository_id)
                for data_type, reason in self._inapplicable(facts).items():
                    known = begun.get(data_type)
                    if data_type in backfill.data_types and not (known and known.status == "completed"):
                        await transitions.skip(connection, backfill.job_id, ref.repository_id, data_type, reason)
            now = ref.called(facts.full_name, facts.github_id)
            return await self._scope(backfill, now)
        except BackfillError as error:
            raise as_application_error(error, failure=as_failure(error, repository=ref.full_name)) from error

    async def _facts(self, backfill: RepositoryBackfill) -> Facts:
        """Returns what GitHub says about the repository. Uses the job's survey if the survey is recent, and sends a
        request otherwise.
        """
        ref = backfill.repository
        async with self._database.transaction() as connection:
            survey = await surveys.read(connection, backfill.job_id, ref)
        if survey is not None:
            return survey.facts
        return await inspect(self._github.on_behalf_of(ref.full_name), ref.github_id or None, ref.full_name)

    async def _was_read(self, backfill: RepositoryBackfill) -> bool:
        async with self._database.transaction() as connection:
            return await transitions.was_read(connection, backfill.job_id, backfill.repository.repository_id, INSPECTED)

    async def _scope(self, backfill: RepositoryBackfill, ref: RepositoryRef) -> RepositoryScope:
        async with self._database.transaction() as connection:
            begun = await transitions.begun_types(connection, backfill.job_id, ref.repository_id)
            last = await transitions.last_transition(connection, backfill.job_id, ref.repository_id, backfill.attempt)
        settled = [each for each in begun.values() if each.status not in ("pending", "in_progress")]
        return RepositoryScope(
            repository=ref,
            data_types=[name for name in backfill.data_types if name not in {each.data_type for each in settled}],
            settled=settled,
            sequence=last.sequence,
            waiting=last.waiting,
        )

    def _inapplicable(self, facts: Facts) -> dict[DataType, Failure]:
        """Returns the data types that cannot be read, each with the reason. For example, discussions are switched off
        in the repository, or the worker has no OpenAI key for embeddings.
        """
        switched: dict[DataType, bool] = {"issues": facts.has_issues, "discussions": facts.has_discussions}
        inapplicable = {
            data_type: Failure(
                code=f"{data_type}_disabled",
                message=f"{data_type} are switched off in {facts.full_name}",
                repository=facts.full_name,
                data_type=data_type,
            )
            for data_type, on in switched.items()
            if not on
        }
        if not self._embeds:
            inapplicable["embeddings"] = without_key(facts.full_name)
        return inapplicable

    @activity.defn(name="record_repository")
    async def record_repository(self, change: RepositoryTransition) -> None:
        """Writes the new state of a repository to Postgres. The repository's workflow has decided on this state."""
        try:
            async with self._database.transaction() as connection:
                await transitions.record(connection, change)
                repository_id = change.outcome.repository.repository_id
                if change.outcome.status == "completed":
                    await repositories.synced(connection, repository_id)
                await stored_surveys.forget_completed(connection, change.job_id, repository_id)
        except BackfillError as error:
            raise as_application_error(error) from error

    @activity.defn(name="carry_out_signal")
    async def carry_out_signal(self, request: SignalRequest) -> JobStanding | None:
        """Writes the request of a signal or an update into the job's row. Returns the job's state.

        If the request cannot be carried out, the job's row does not change. For a signal, the reason is then logged.
        For an update, an ApplicationError is raised. Returns None for a signal if the workspace does not have the job.
        """
        try:
            async with self._database.transaction() as connection:
                return await signal_requests.carry_out(connection, request)
        except BackfillError as error:
            raise as_application_error(error) from error

    @activity.defn(name="free_places")
    async def free_places(self, job: FreePlaces) -> None:
        """Frees the places of a paused job, so that other jobs need not wait for its sweeps. The workflow calls this
        activity once no other activity of the job runs. Nothing changes if the job was resumed meanwhile.
        """
        try:
            async with self._database.transaction() as connection:
                await job_pauses.free_places(connection, job.job_id)
        except BackfillError as error:
            raise as_application_error(error) from error

    @activity.defn(name="finish_job")
    async def finish_job(self, job: FinishJob) -> JobOutcome:
        """Ends the job and returns its outcome, which follows from the states of the job's repositories."""
        try:
            async with self._database.transaction() as connection:
                outcome = await job_end.finish(connection, job.job_id, job.attempt, canceled=job.canceled)
                await stored_surveys.forget(connection, job.job_id)
                return outcome
        except BackfillError as error:
            raise as_application_error(error) from error


async def _stay_alive() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)
