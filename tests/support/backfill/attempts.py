"""Attempts of an activity in the test's own process. If it asks Temporal, nobody has paused it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from temporalio.client import Client
from temporalio.testing import ActivityEnvironment


class _Handle:
    async def heartbeat(self, *_details: Any, rpc_timeout: timedelta | None = None) -> None:
        """Answers as Temporal does if nobody has paused or canceled the activity."""


class _Client:
    def get_async_activity_handle(self, *, task_token: bytes) -> _Handle:  # noqa: ARG002 (the SDK's name)
        return _Handle()


def environment(*, within: timedelta | None = None) -> ActivityEnvironment:
    """An attempt that is scheduled now. `within` is the time for all attempts; None: there is no end."""
    its = ActivityEnvironment(client=cast(Client, _Client()))
    its.info = replace(its.info, scheduled_time=datetime.now(UTC), schedule_to_close_timeout=within)
    return its
