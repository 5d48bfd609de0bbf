"""Rows that updates are written into."""

import asyncio
from dataclasses import dataclass
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowHandle

from activities.failures import as_application_error
from errors import Conflict
from messages import JobStanding, SignalRequest
from tests.support.waiting import PATIENCE
from tests.support.workflows.pretence import Pretence


@dataclass
class Rows(Pretence):
    """Behaves as the rows of jobs: a repository can be canceled alone, and what cannot be done is refused."""

    refusal: str = ""

    @activity.defn(name="carry_out_signal")
    async def carry_out_signal(self, request: SignalRequest) -> JobStanding | None:
        if request.refuses and self.refusal:
            raise as_application_error(Conflict("JOB", self.refusal))
        if request.action == "cancel_repository":
            self.stopping += [each.repository_id for each in self.repositories if each.full_name == request.repository]
        standing = await super().carry_out_signal(request)
        assert standing
        return JobStanding.model_validate({**standing.model_dump(), "stopping": self.stopping})


async def ask(handle: WorkflowHandle[Any, Any], name: str, of: object) -> JobStanding:
    return await asyncio.wait_for(handle.execute_update(name, of, result_type=JobStanding), PATIENCE)
