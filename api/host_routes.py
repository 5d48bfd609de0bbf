"""The host application's old routes, built on the new jobs. The host's own client can use these routes once the address
and the key in its settings are changed.

The answers have the shapes `BackfillResponse` and `JobStatus` of that client (`src/lib/manual-backfill/client.ts`).
"""

from collections.abc import Callable

from aiohttp import web

from api import access, jobs
from api.access import CALLER, CHANGING
from api.answers import Refusal, answer, not_found, read
from api.models import Backfill, HostData, HostJob, HostTimestamps, HostTrigger
from api.requests import json_of
from api.routes import Route
from errors import BadInput
from messages import TERMINAL_JOB_STATUSES, JobStatus
from store import job_requests, membership
from store.database import Connection, Database

_STATUSES: dict[JobStatus, str] = {
    "pending": "queued",
    "in_progress": "running",
    "completed": "completed",
    "failed": "failed",
    "canceled": "cancelled",
}


class HostRoutes:
    """The handlers of the host's old routes. `hurry` is called after each commit of which Temporal has to be told."""

    def __init__(self, database: Database, hurry: Callable[[], None]) -> None:
        self._database = database
        self._hurry = hurry

    @property
    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "POST",
                "/backfill/trigger",
                self.trigger,
                "Ask for a job of one repository (the host application's old route)",
                {202: HostJob},
                body=HostTrigger,
                errors=frozenset({403, 404}),
                security="host",
            ),
            Route(
                "GET",
                "/backfill/status/{job_id}",
                self.status,
                "One job (the host application's old route)",
                {200: HostJob, 304: None},
                security="host",
            ),
            Route(
                "POST",
                "/backfill/cancel/{job_id}",
                self.cancel,
                "Stop a job (the host application's old route)",
                {200: HostJob},
                errors=frozenset({403, 409}),
                security="host",
            ),
        )

    async def trigger(self, request: web.Request) -> web.StreamResponse:
        wanted = await json_of(request, HostTrigger)
        async with self._database.transaction() as connection:
            found = await membership.with_repository(connection, wanted.repository, request[CALLER].user_id)
            if not found:
                raise not_found()
            allowed = [each for each in found if each.role in CHANGING]
            if not allowed:
                raise Refusal(403, "forbidden", "your role in its workspace may see its backfills, and not change them")
            job_id = await _ask(connection, request, str(allowed[0].workspace_id), wanted)
        self._hurry()
        return answer(_as_host(await jobs.look(self._database, job_id)), 202)

    async def status(self, request: web.Request) -> web.StreamResponse:
        async with self._database.transaction() as connection:
            seen = await access.job(connection, request)
        job = await jobs.look(self._database, str(seen.job_id))
        return read(request, _as_host(job), moving=frozenset({"estimated_completion"}))

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        async with self._database.transaction() as connection:
            seen = await access.job(connection, request, change=True)
            await job_requests.ask_to_stop(connection, str(seen.job_id), actor=request[CALLER].actor("host"))
        self._hurry()
        return answer(_as_host(await jobs.look(self._database, str(seen.job_id))))


async def _ask(connection: Connection, request: web.Request, workspace_id: str, wanted: HostTrigger) -> str:
    try:
        return await job_requests.ask_for(
            connection,
            workspace=workspace_id,
            actor=request[CALLER].actor("host"),
            retention_days=wanted.days,
            repositories=[wanted.repository],
        )
    except BadInput as wrong:
        if wrong.name != "retention_days":
            raise
        raise BadInput("days", wrong.message.removeprefix("retention_days: ")) from None


def _as_host(job: Backfill) -> HostJob:
    repository = ", ".join(each.full_name for each in job.repositories)
    timestamps = {"created_at": job.created_at, "started_at": job.started_at, "completed_at": job.completed_at}
    return HostJob.model_validate(
        {
            "id": job.id,
            "job_id": job.id,
            "status": _STATUSES[job.status],
            "progress": progress(job),
            "message": _message(job),
            "data": HostData(repository=repository, days=job.retention_days),
            "repository": repository,
            "days": job.retention_days,
            "timestamps": HostTimestamps.model_validate(timestamps),
            **timestamps,
            "estimated_completion": job.eta,
            "error": job.error_message,
            "status_url": f"/api/backfill/status/{job.id}",
        }
    )


def progress(job: Backfill) -> int:
    """Returns how much of the job is done, in percent. The result is 100 if the job completed and no repository failed,
    and at most 99 otherwise.

    All types of all repositories have the same weight. A completed or skipped type counts as done. Any other type
    counts by the share of its items that is stored, or as 0 while the total is unknown.
    """
    types = [each for repository in job.repositories for each in repository.types]
    if job.status == "completed" and not job.failed_repositories:
        return 100
    done = 0.0
    for each in types:
        if each.status in ("completed", "skipped"):
            done += 1
        elif each.expected:
            done += min(each.stored / each.expected, 1)
    return min(int(100 * done / len(types)), 99) if types else 0


def _message(job: Backfill) -> str:
    total, complete = job.total_repositories, sum(each.status == "completed" for each in job.repositories)
    if job.status in TERMINAL_JOB_STATUSES:
        words = {"completed": "completed", "failed": "failed", "canceled": "cancelled"}[job.status]
        failed = f", {job.failed_repositories} failed" if job.failed_repositories else ""
        return f"{words}: {complete} of {total} repositories are complete{failed}"
    if job.cancel_requested_at:
        return "stopping at the end of a page"
    if job.paused_at:
        return "paused"
    if job.status == "pending":
        return "waiting for its turn"
    if job.waiting:
        until = f" until {job.waiting.until:%Y-%m-%dT%H:%M:%SZ}" if job.waiting.until else ""
        return f"waiting ({job.waiting.reason}){until}"
    return f"fetching: {complete} of {total} repositories are complete"
