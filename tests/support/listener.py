"""A workflow with the contract's name. It only remembers which signals it heard, and ends when it is told to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from messages import WORKSPACE_BACKFILL, Cancel, Pause, Resume, Retry, Run, WorkspaceBackfill, workspace_workflow_id


@workflow.defn(name=WORKSPACE_BACKFILL, sandboxed=False)
class Listener:
    """The signal `obey` with `complete`, `fail` or `continue` ends a run; the query `heard` returns the signals of the
    run.
    """

    @workflow.init
    def __init__(self, _backfill: WorkspaceBackfill) -> None:
        self._heard: list[dict[str, Any]] = []
        self._order = ""

    @workflow.run
    async def run(self, backfill: WorkspaceBackfill) -> None:
        await workflow.wait_condition(lambda: bool(self._order))
        if self._order == "continue":
            workflow.continue_as_new(WorkspaceBackfill(workspace_id=backfill.workspace_id))
        if self._order == "fail":
            raise ApplicationError("as ordered")

    @workflow.signal(name="run")
    def run_job(self, run: Run) -> None:
        self._heard.append({"signal": "run", **run.model_dump()})

    @workflow.signal
    def retry(self, retry: Retry) -> None:
        self._heard.append({"signal": "retry", **retry.model_dump()})

    @workflow.signal
    def cancel(self, cancel: Cancel) -> None:
        self._heard.append({"signal": "cancel", **cancel.model_dump()})

    @workflow.signal
    def pause(self, pause: Pause) -> None:
        self._heard.append({"signal": "pause", **pause.model_dump()})

    @workflow.signal
    def resume(self, resume: Resume) -> None:
        self._heard.append({"signal": "resume", **resume.model_dump()})

    @workflow.signal
    def obey(self, order: str) -> None:
        self._order = order

    @workflow.query
    def heard(self) -> list[dict[str, Any]]:
        return self._heard


@asynccontextmanager
async def listening(client: Client, task_queue: str) -> AsyncIterator[None]:
    async with Worker(client, task_queue=task_queue, workflows=[Listener]):
        yield


async def heard(client: Client, workspace_id: str) -> list[dict[str, Any]]:
    """Returns the signals that the workflow of this workspace heard in its present run."""
    handle = client.get_workflow_handle(workspace_workflow_id(workspace_id))
    told: list[dict[str, Any]] = await handle.query("heard")
    return told
