"""Routes of one job: to show the job, its timeline and its chart, and to retry, pause, resume and cancel the job."""

from collections.abc import Callable
from functools import partial

from aiohttp import web
from pydantic import BaseModel

from api import access
from api.access import CALLER
from api.answers import answer, not_found, read
from api.models import Accepted, Backfill, Cancel, Chart, ChartBucket, ChartWait, Event, Retry, Timeline
from api.requests import json_of
from api.routes import Handler, Route
from errors import BadInput
from progress import timeline
from store import job_requests, job_timeline, job_views
from store.database import Database
from store.job_requests import Change

MOVING = frozenset({"as_of", "eta", "headline", "time_left", "time_left_reason"})
"""Fields of a job that change with time alone, while its rows stay the same."""


async def look(database: Database, job_id: str) -> Backfill:
    """Returns the job as people see it. Raises a `Refusal` (404) if the job was deleted in the meantime."""
    async with database.transaction() as connection:
        try:
            view = await job_views.look(connection, job_id)
        except BadInput:
            raise not_found() from None
    return Backfill.model_validate(view)


class Jobs:
    """The handlers of the routes of one job. `hurry` is called after each commit of which Temporal has to be told."""

    def __init__(self, database: Database, hurry: Callable[[], None]) -> None:
        self._database = database
        self._hurry = hurry

    @property
    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/backfills/{job_id}", self.get, "One job", {200: Backfill, 304: None}),
            Route(
                "GET",
                "/backfills/{job_id}/timeline",
                self.timeline,
                "What happened to a job",
                {200: Timeline, 304: None},
            ),
            Route(
                "GET",
                "/backfills/{job_id}/chart",
                self.chart,
                "Rows of a job by type over time",
                {200: Chart, 304: None},
            ),
            _change("retry", self.retry, "Try again what failed or was canceled of a job", body=Retry),
            _change("pause", self.pause, "Stop a job at the end of a page, until it is resumed"),
            _change("resume", self.resume, "Let a paused job go on where it stood"),
            _change("cancel", self.cancel, "End a job, or repositories of it; what is stored stays", body=Cancel),
        )

    async def get(self, request: web.Request) -> web.StreamResponse:
        async with self._database.transaction() as connection:
            seen = await access.job(connection, request)
        return read(request, await look(self._database, str(seen.job_id)), moving=MOVING)

    async def timeline(self, request: web.Request) -> web.StreamResponse:
        async with self._database.transaction() as connection:
            seen = await access.job(connection, request)
            story = await job_timeline.story(connection, str(seen.job_id))
        events = timeline.events(story, request[CALLER].who)
        return read(request, Timeline(events=[Event.model_validate(each) for each in events]))

    async def chart(self, request: web.Request) -> web.StreamResponse:
        async with self._database.transaction() as connection:
            seen = await access.job(connection, request)
            found = await job_timeline.chart_of(connection, str(seen.job_id))
        return read(
            request,
            Chart(
                bucket_seconds=found.buckets.bucket_seconds,
                buckets=[ChartBucket.model_validate(each) for each in found.buckets.buckets],
                waits=[ChartWait.model_validate(each) for each in found.waits],
            ),
        )

    async def retry(self, request: web.Request) -> web.StreamResponse:
        wanted = await json_of(request, Retry)
        async with self._database.transaction() as connection:
            seen = await access.job(connection, request, change=True)
            job_id = await job_requests.ask_again(
                connection,
                str(seen.job_id),
                repositories=wanted.repositories or (),
                data_types=wanted.data_types or (),
                actor=request[CALLER].actor(),
            )
        self._hurry()
        return answer(Accepted.model_validate({"job_id": job_id}), 202)

    async def pause(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, job_requests.pause)

    async def resume(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, job_requests.resume)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        wanted = await json_of(request, Cancel)
        if wanted.repositories is None:
            return await self._change(request, job_requests.ask_to_stop)
        stop = partial(job_requests.ask_to_stop_repositories, repositories=wanted.repositories)
        return await self._change(request, stop)

    async def _change(self, request: web.Request, change: Change) -> web.StreamResponse:
        async with self._database.transaction() as connection:
            seen = await access.job(connection, request, change=True)
            job = await change(connection, str(seen.job_id), actor=request[CALLER].actor())
        self._hurry()
        return answer(Accepted.model_validate({"job_id": job.id}), 202)


def _change(what: str, handler: Handler, summary: str, body: type[BaseModel] | None = None) -> Route:
    errors = frozenset({403, 409})
    return Route("POST", f"/backfills/{{job_id}}/{what}", handler, summary, {202: Accepted}, body=body, errors=errors)
