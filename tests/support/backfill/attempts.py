"""Attempts of an activity in the test's own process: where the worker asks Temporal, nobody has paused anything."""

from datetime import timedelta
from typing import Any, cast

from temporalio.client import Client
from temporalio.testing import ActivityEnvironment


class _Handle:
    async def heartbeat(self, *_details: Any, rpc_timeout: timedelta | None = None) -> None:
        """Temporal has nothing to say."""


class _Client:
    def get_async_activity_handle(self, *, task_token: bytes) -> _Handle:  # noqa: ARG002 (the SDK's name)
        return _Handle()


def environment() -> ActivityEnvironment:
    return ActivityEnvironment(client=cast(Client, _Client()))
