"""Connecting to Temporal says what is wrong in one line; search attributes are there or done without."""

import asyncio
import socket
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

import temporal as ours
from errors import BadInput, Unreachable
from sandbox.ports import LOOPBACK, free_port
from sandbox.temporal import TEMPORAL, Temporal
from tests.support.waiting import PATIENCE

ALL = {"WorkspaceId", "RepositoryFullName", "BackfillStatus", "RetentionDays"}


@workflow.defn
class Attributed:
    """Imports nothing as passed through, so that the pure part is run inside the sandbox."""

    @workflow.run
    async def run(self, usable: list[str]) -> None:
        workflow.upsert_search_attributes(ours.updates(usable, status="waiting"))


def operate(temporal: Temporal, *arguments: str) -> None:
    subprocess.run(
        [str(TEMPORAL), "operator", *arguments, "--address", temporal.address], check=True, capture_output=True
    )


@pytest.fixture
def namespace(temporal: Temporal) -> str:
    """A namespace that has none of our search attributes."""
    name = f"bare-{uuid.uuid4().hex[:8]}"
    operate(temporal, "namespace", "create", "--namespace", name)
    return name


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Environment variables to set, in a directory without a `.env`."""
    monkeypatch.chdir(tmp_path)
    return monkeypatch


async def connected(settings: pytest.MonkeyPatch, temporal: Temporal, namespace: str) -> Client:
    settings.setenv("TEMPORAL_ADDRESS", temporal.address)
    settings.setenv("TEMPORAL_NAMESPACE", namespace)
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            return await ours.connect()
        except BadInput:  # a new namespace takes a moment to be known
            if asyncio.get_running_loop().time() > deadline:
                raise


async def test_search_attributes_are_registered_once_by_many(
    settings: pytest.MonkeyPatch, temporal: Temporal, namespace: str
) -> None:
    client = await connected(settings, temporal, namespace)
    assert await asyncio.gather(*(ours.register_search_attributes(client) for _ in range(4))) == [ALL] * 4
    usable = await ours.register_search_attributes(client)
    assert usable == ALL

    queue = uuid.uuid4().hex
    start = ours.attributes(usable, workspace_id="w", repository="o/n", status="pending", retention_days=365)
    async with Worker(client, task_queue=queue, workflows=[Attributed]):
        handle = await client.start_workflow(
            Attributed.run, sorted(usable), id=queue, task_queue=queue, search_attributes=start
        )
        await handle.result()
    found = (await handle.describe()).typed_search_attributes
    assert found[ours.WORKSPACE_ID] == "w"
    assert found[ours.REPOSITORY_FULL_NAME] == "o/n"
    assert found[ours.BACKFILL_STATUS] == "waiting"
    assert found[ours.RETENTION_DAYS] == 365


async def test_without_permission_they_are_done_without(
    settings: pytest.MonkeyPatch, temporal: Temporal, namespace: str
) -> None:
    client = await connected(settings, temporal, namespace)

    async def refuse(*_: Any, **__: Any) -> None:
        raise RPCError("Request unauthorized.", RPCStatusCode.PERMISSION_DENIED, b"")

    settings.setattr(client.operator_service, "add_search_attributes", refuse)
    usable = await ours.register_search_attributes(client)
    assert usable == frozenset()

    queue = uuid.uuid4().hex
    start = ours.attributes(usable, workspace_id="w", status="pending", retention_days=1)
    async with Worker(client, task_queue=queue, workflows=[Attributed]):
        handle = await client.start_workflow(
            Attributed.run, sorted(usable), id=queue, task_queue=queue, search_attributes=start
        )
        await handle.result()
    found = (await handle.describe()).typed_search_attributes
    assert not ALL & {pair.key.name for pair in found}


async def test_one_of_another_type_is_done_without(
    settings: pytest.MonkeyPatch, temporal: Temporal, namespace: str
) -> None:
    client = await connected(settings, temporal, namespace)
    operate(temporal, "search-attribute", "create", "--namespace", namespace, "--name=RetentionDays", "--type=Bool")
    settings.setattr(ours, "REGISTERED_SECONDS", 1)
    assert await ours.register_search_attributes(client) == ALL - {"RetentionDays"}


@pytest.mark.parametrize(
    ("variables", "setting"),
    [
        ({"TEMPORAL_ADDRESS": "two words"}, "TEMPORAL_ADDRESS"),
        ({"TEMPORAL_ADDRESS": "https://localhost:7233"}, "TEMPORAL_ADDRESS"),
        ({"TEMPORAL_PROFILE": "unheard-of"}, "TEMPORAL_*"),
        ({"TEMPORAL_TLS": "perhaps"}, "TEMPORAL_TLS"),
        ({"TEMPORAL_TLS_CLIENT_CERT_PATH": "no.pem", "TEMPORAL_TLS_CLIENT_KEY_PATH": "no.pem"}, "TEMPORAL_*"),
        ({"TEMPORAL_TLS_CLIENT_CERT_DATA": "x", "TEMPORAL_TLS_CLIENT_KEY_DATA": "hunter2"}, "TEMPORAL_TLS_*"),
    ],
)
async def test_a_bad_setting_is_named(settings: pytest.MonkeyPatch, variables: dict[str, str], setting: str) -> None:
    for name, value in variables.items():
        settings.setenv(name, value)
    with pytest.raises(BadInput) as caught:
        await ours.connect()
    assert caught.value.name == setting
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_a_namespace_that_is_not_there_is_named(settings: pytest.MonkeyPatch, temporal: Temporal) -> None:
    settings.setenv("TEMPORAL_ADDRESS", temporal.address)
    settings.setenv("TEMPORAL_NAMESPACE", "elsewhere")
    with pytest.raises(BadInput, match="there is no namespace elsewhere"):
        await ours.connect()


async def test_nobody_there(settings: pytest.MonkeyPatch) -> None:
    address = f"{LOOPBACK}:{free_port()}"
    settings.setenv("TEMPORAL_ADDRESS", address)
    settings.setenv("TEMPORAL_API_KEY", "hunter2")
    with pytest.raises(Unreachable, match=f"{address} cannot be reached: Connection refused") as caught:
        await ours.connect()
    assert "hunter2" not in str(caught.value)


async def test_one_who_never_answers(settings: pytest.MonkeyPatch) -> None:
    settings.setattr(ours, "CONNECT_SECONDS", 0.5)
    with socket.create_server((LOOPBACK, 0)) as mute:
        settings.setenv("TEMPORAL_ADDRESS", f"{LOOPBACK}:{mute.getsockname()[1]}")
        with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
            await ours.connect()


async def test_dotenv_is_read(settings: pytest.MonkeyPatch, temporal: Temporal, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"TEMPORAL_ADDRESS={temporal.address}\n")
    settings.setenv("TEMPORAL_NAMESPACE", "")
    assert (await ours.connect()).namespace == "default"
