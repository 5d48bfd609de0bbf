"""Routes of a workspace: its latest job, a new job, its history, and its notifications."""

from collections.abc import Callable

from aiohttp import web

from api import access, jobs
from api.access import CALLER, CHANGING
from api.answers import Refusal, answer, not_found, read
from api.models import (
    Accepted,
    Backfill,
    Backfills,
    JobsPage,
    Notification,
    Notifications,
    NotificationsPage,
    PastBackfill,
    Trigger,
    Workspace,
)
from api.requests import json_of, key_of, query_of
from api.routes import Route
from errors import BadInput
from store import job_history, job_requests, job_views, notification_lists, workspaces
from store.database import Database
from store.places import Place


class Workspaces:
    """The handlers of the routes of a workspace. `hurry` is called after each commit of which Temporal must be told."""

    def __init__(self, database: Database, hurry: Callable[[], None]) -> None:
        self._database = database
        self._hurry = hurry

    @property
    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "GET",
                "/workspaces/{id}",
                self.get,
                "A workspace: your role in it, its add-on and its latest job",
                {200: Workspace, 304: None},
            ),
            Route(
                "GET",
                "/workspaces/{id}/backfills",
                self.history,
                "All jobs of a workspace, newest first",
                {200: Backfills, 304: None},
                query=JobsPage,
            ),
            Route(
                "GET",
                "/workspaces/{id}/backfill",
                self.latest,
                "The latest job of a workspace",
                {200: Backfill, 304: None},
            ),
            Route(
                "POST",
                "/workspaces/{id}/backfills",
                self.trigger,
                "Ask for a new job",
                {202: Accepted},
                body=Trigger,
                errors=frozenset({403}),
                repeatable=True,
            ),
            Route(
                "GET",
                "/workspaces/{id}/notifications",
                self.notifications,
                "What you were told of the backfills of a workspace; the service sees what its owner was told",
                {200: Notifications, 304: None},
                query=NotificationsPage,
            ),
        )

    async def get(self, request: web.Request) -> web.StreamResponse:
        async with self._database.transaction() as connection:
            seen = await access.workspace(connection, request)
            view = await workspaces.look(connection, seen.workspace_id)
        if view is None:
            raise not_found()
        role = seen.role if request[CALLER].user_id else "service"
        given = {"id": view.id, "name": view.name, "slug": view.slug, "latest_job_id": view.latest_job_id}
        may_change = {"role": role, "may_change": seen.role in CHANGING}
        return read(request, Workspace.model_validate({**given, **may_change, "addon": view.addon}))

    async def history(self, request: web.Request) -> web.StreamResponse:
        page = query_of(request, JobsPage)
        async with self._database.transaction() as connection:
            seen = await access.workspace(connection, request)
            before = Place.parse(page.before) if page.before else None
            jobs_behind = await job_history.read(connection, seen.workspace_id, before=before, limit=page.limit + 1)
        shown = jobs_behind[: page.limit]
        after = str(shown[-1].place) if len(jobs_behind) > page.limit else None
        return read(request, Backfills(backfills=[PastBackfill.model_validate(each) for each in shown], next=after))

    async def latest(self, request: web.Request) -> web.StreamResponse:
        async with self._database.transaction() as connection:
            seen = await access.workspace(connection, request)
            try:
                job_id = await job_views.find(connection, str(seen.workspace_id))
            except BadInput:
                raise Refusal(404, "no_backfill", "this workspace has no backfill yet") from None
        return read(request, await jobs.look(self._database, job_id), moving=jobs.MOVING)

    async def trigger(self, request: web.Request) -> web.StreamResponse:
        wanted = await json_of(request, Trigger)
        async with self._database.transaction() as connection:
            seen = await access.workspace(connection, request, change=True)
            job_id = await job_requests.ask_for(
                connection,
                workspace=str(seen.workspace_id),
                retention_days=wanted.retention_days,
                repositories=wanted.repositories or (),
                data_types=wanted.data_types or (),
                idempotency_key=key_of(request),
                actor=request[CALLER].actor(),
            )
        self._hurry()
        return answer(Accepted.model_validate({"job_id": job_id}), 202)

    async def notifications(self, request: web.Request) -> web.StreamResponse:
        page = query_of(request, NotificationsPage)
        async with self._database.transaction() as connection:
            seen = await access.workspace(connection, request)
            rows = await notification_lists.read(
                connection,
                seen.workspace_id,
                request[CALLER].user_id,
                before=Place.parse(page.before) if page.before else None,
                limit=page.limit + 1,
            )
        shown = rows[: page.limit]
        after = str(shown[-1].place) if len(rows) > page.limit else None
        listed = [Notification.model_validate(each) for each in shown]
        return read(request, Notifications(notifications=listed, next=after))
