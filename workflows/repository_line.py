"""The line of a job's repositories: the order in which they start."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.jobs import JobActivities
    from messages import (
        LEGS,
        FailedRepository,
        JobPlace,
        JobPlan,
        Leg,
        NextRepositories,
        RepositoryRef,
        SurveyRepositories,
    )
    from workflows import retries
    from workflows.shape_changes import SHORT_FIRST, SURVEYS

T = TypeVar("T")
PAGE = 100
"""Repositories that one activity lists."""
SURVEYED_PAGE = 29
"""Repositories that are surveyed together: as many as one request counts. To read the small ones among them costs about
a minute of GitHub's time, which is what it gives an account in a minute."""


class RepositoryLine:
    """Decides which repository starts next. Every recent leg starts before every historical leg. Among the recent legs,
    the legs of repositories with a short history start first. A survey finds out which histories are short.

    The line holds the ids of repositories, and the details of one page of repositories for each leg.
    """

    def __init__(self, job_id: str, place: JobPlace, stops: Callable[[], bool] = lambda: False) -> None:
        """Restores the line from `place`. `stops` returns True if the job has to stop. The line then waits for no
        survey.
        """
        self.job_id = job_id
        self._stops = stops
        self.waiting: dict[str, Leg] = {}
        """Repositories that wait for another job's sweep, with their leg."""
        self.was_looked_at = False
        """Whether waiting repositories were checked since the job's loop last read the result."""
        self._listed = place.listed or place.after
        self._more = True
        """Whether there may be repositories that are not listed yet."""
        self._ids: dict[Leg, list[str]] = {"recent": list(place.recent), "historical": list(place.historical)}
        self._page: dict[Leg, list[RepositoryRef]] = {"recent": [], "historical": []}
        self._long: list[str] = []
        """Repositories whose recent legs go behind all others, so that most of a workspace is done before the first of
        them starts."""
        self._back: dict[Leg, list[str]] = {"recent": [], "historical": []}
        """Repositories that have waited and may resume, by leg. They come first, since they had their turn before."""

    def __bool__(self) -> bool:
        lists = (*self._ids.values(), *self._page.values(), *self._back.values(), self._long, self.waiting)
        return self._more or any(lists)

    @property
    def historical(self) -> int:
        return len(self._ids["historical"]) + len(self._page["historical"])

    def join(self, repository_id: str, leg: Leg) -> None:
        """Adds a repository to the end of the line for this leg."""
        self._ids[leg].append(repository_id)

    def set_aside(self, repository_id: str, leg: Leg) -> None:
        """Takes a repository out of the line because it waits for another job. `go_on` puts the repository back."""
        self.waiting[repository_id] = leg

    def go_on(self, repository_ids: list[str]) -> None:
        """Puts repositories that waited for another job at the front of the line for their leg."""
        for each in repository_ids:
            self._back[self.waiting.pop(each)].append(each)

    @property
    def recent_to_resume(self) -> int:
        """The number of recent legs that waited for another job and may now resume."""
        return len(self._back["recent"])

    async def following(self) -> tuple[Leg, RepositoryRef] | None:
        for leg in LEGS:
            while self._back[leg]:
                for repository in await self._repositories(repository_ids=[self._back[leg].pop(0)]):
                    return leg, repository
            while not self._page[leg] and self._ids[leg]:
                ids = self._ids[leg][: PAGE if leg == "historical" else self._page_size()]
                # One that is not among them any more has ended otherwise.
                self._page[leg] = await self._repositories(repository_ids=ids)
                del self._ids[leg][: len(ids)]
                if leg == "recent":
                    self._page[leg] = await self._short_ones(self._page[leg])
            while leg == "recent" and not self._page[leg] and self._more:
                size = self._page_size()
                page = await self._repositories(after=self._listed, limit=size)
                self._more = len(page) == size
                self._listed = page[-1].repository_id if page else self._listed
                self._page[leg] = await self._short_ones(page)
            while leg == "recent" and not self._page[leg] and self._long:
                self._page[leg] = await self._repositories(repository_ids=self._long[:PAGE])
                del self._long[:PAGE]
            if self._page[leg]:
                return leg, self._page[leg].pop(0)
        return None

    def place(
        self, plan: JobPlan, ended: dict[str, int], latest_failed: list[FailedRepository], stopping: list[str]
    ) -> JobPlace:
        """Returns the job's place for the next run of the workflow. Repositories that wait for other jobs are part of
        the line in that place. The next run finds out which of these repositories still have to wait.
        """
        ids = {
            leg: [
                *self._back[leg],
                *(each.repository_id for each in self._page[leg]),
                *self._ids[leg],
                *(self._long if leg == "recent" else ()),
                *(each for each, its in self.waiting.items() if its == leg),
            ]
            for leg in LEGS
        }
        return JobPlace(
            plan=plan,
            listed=self._listed,
            recent=ids["recent"],
            historical=ids["historical"],
            completed=ended["completed"],
            failed=ended["failed"],
            canceled=ended["canceled"],
            latest_failed=latest_failed,
            stopping=stopping,
        )

    @staticmethod
    def _page_size() -> int:
        """Returns how many repositories are listed, and surveyed together, before their recent legs start."""
        return SURVEYED_PAGE if workflow.patched(SHORT_FIRST) else PAGE

    async def _short_ones(self, page: list[RepositoryRef]) -> list[RepositoryRef]:
        """Surveys a page of repositories. Returns the repositories with a short history, which start next. Moves the
        other repositories of the page to the back of the line.
        """
        if not workflow.patched(SHORT_FIRST):
            if page and workflow.patched(SURVEYS):
                await self._survey(JobActivities.survey_repositories, page)
            return page
        long = set(await self._survey(JobActivities.survey_page, page) or ()) if page else set[str]()
        self._long += [each.repository_id for each in page if each.repository_id in long]
        return [each for each in page if each.repository_id not in long]

    async def _survey(
        self, survey: Callable[[JobActivities, SurveyRepositories], Awaitable[T]], page: list[RepositoryRef]
    ) -> T | None:
        """Runs a survey and returns its answer. Returns None if the survey fails or the job stops. Without the answer,
        the sweeps send requests of their own.
        """
        waits_on = not workflow.patched(SHORT_FIRST)
        if self._stops() and not waits_on:
            return None
        under_way = workflow.start_activity_method(
            survey,
            SurveyRepositories(job_id=self.job_id, repository_ids=[each.repository_id for each in page]),
            start_to_close_timeout=retries.SURVEY_TIMEOUT,
            schedule_to_close_timeout=retries.SURVEYED_WITHIN,
            heartbeat_timeout=retries.SURVEY_HEARTBEAT_TIMEOUT,
            retry_policy=retries.SURVEY,
            summary=f"of {len(page)} repositories",
        )
        try:
            await workflow.wait_condition(lambda: under_way.done() or (self._stops() and not waits_on))
        finally:
            if not under_way.done():
                under_way.cancel()
        try:
            return await under_way
        except ActivityError as error:
            if is_cancelled_exception(error) and not self._stops():
                raise
            workflow.logger.warning("no survey of %d repositories: %s", len(page), error.cause)
            return None

    async def _repositories(
        self, *, after: str | None = None, limit: int = PAGE, repository_ids: list[str] | None = None
    ) -> list[RepositoryRef]:
        return await workflow.execute_activity_method(
            JobActivities.next_repositories,
            NextRepositories(job_id=self.job_id, after=after, limit=limit, repository_ids=repository_ids),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
            summary=f"{len(repository_ids)} of them"
            if repository_ids is not None
            else f"after {after}"
            if after
            else "the first",
        )
