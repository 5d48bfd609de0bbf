"""Traces: what a receiver gets, what it never gets, and that they cost nothing where nobody has set where to."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, Worker

import process
from budget.account import Ask, Told
from errors import RetryNow
from messages import REPOSITORY_BACKFILL, WORKSPACE_BACKFILL
from sandbox.temporal import Temporal
from tests.support.otlp import Receiver
from tests.support.workflows.histories import read
from traces import END_SECONDS, Traces
from workflows.repository_backfill import RepositoryBackfillWorkflow
from workflows.workspace_backfill import WorkspaceBackfillWorkflow

ASK = Ask("graphql", "PullRequests", points=3)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


async def test_a_request_to_github_is_below_what_made_it_and_says_what_it_cost(receiver: Receiver) -> None:
    async with Traces("worker", receiver.url) as traces:
        with traces.tracer.start_as_current_span("RunActivity:sweep"):
            traces.request_ended("user:1", ASK, Told("answered", 0.25, points=2))
            traces.request_ended("user:1", ASK, Told("limited", 0.1))
    [sweep] = receiver.named("RunActivity:sweep")
    answered, limited = receiver.named("GitHub:PullRequests")
    assert answered.parent_span_id == limited.parent_span_id == sweep.span_id
    assert answered.end_time_unix_nano - answered.start_time_unix_nano == pytest.approx(250_000_000)
    assert receiver.attributes(answered) == {
        "github.account": "user:1",
        "github.resource": "graphql",
        "github.operation": "PullRequests",
        "github.points": 2,
        "github.outcome": "answered",
    }
    assert receiver.attributes(limited)["github.points"] == 3, "as estimated: nobody said"
    assert [answered.status.code, limited.status.code] == [0, 2]
    assert receiver.services == {"workspace-backfill-worker"}


async def test_no_text_of_an_error_is_sent(receiver: Receiver) -> None:
    async with Traces("worker", receiver.url) as traces:
        with pytest.raises(RetryNow), traces.tracer.start_as_current_span("RunActivity:sweep"):
            raise RetryNow("refused", "ghp_secret in a sentence")
    [span] = receiver.named("RunActivity:sweep")
    assert span.status.code == 2
    [event] = span.events
    assert [(each.key, each.value.string_value) for each in event.attributes] == [("exception.type", "errors.RetryNow")]
    assert b"ghp_secret" not in receiver.bytes


async def test_a_receiver_that_is_away_keeps_no_program_from_its_end() -> None:
    async with asyncio.timeout(END_SECONDS + 20), Traces("worker", "http://127.0.0.1:1") as traces:
        traces.request_ended("user:1", ASK, Told("answered", 0.1))


@activity.defn
async def ask_github() -> None:
    GITHUB_ANSWERED["now"]()


GITHUB_ANSWERED: dict[str, Callable[[], None]] = {}


@workflow.defn(name=REPOSITORY_BACKFILL, sandboxed=False)
class Asking:
    """Asks GitHub once."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(ask_github, start_to_close_timeout=timedelta(minutes=1))


@workflow.defn(name=WORKSPACE_BACKFILL, sandboxed=False)
class Starting:
    """Ends when its child has."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_child_workflow(Asking.run, id=f"{workflow.info().workflow_id}-child")

    @workflow.signal(name="run")
    def run_job(self) -> None:
        pass


async def test_one_trace_leads_from_a_bought_job_to_the_requests_it_makes(
    temporal: Temporal, receiver: Receiver
) -> None:
    queue = f"traces-{uuid.uuid4().hex[:8]}"
    async with Traces("worker", receiver.url) as traces:
        GITHUB_ANSWERED["now"] = lambda: traces.request_ended("user:1", ASK, Told("answered", 0.1))
        client = await Client.connect(temporal.address, interceptors=[traces.interceptor])
        async with Worker(client, task_queue=queue, workflows=[Starting, Asking], activities=[ask_github]):
            handle = await client.start_workflow(Starting.run, id=queue, task_queue=queue, start_signal="run")
            await handle.result()
    [asked] = receiver.named("GitHub:PullRequests")
    assert receiver.way(asked) == [
        f"SignalWithStartWorkflow:{WORKSPACE_BACKFILL}",
        f"StartChildWorkflow:{REPOSITORY_BACKFILL}",
        "StartActivity:ask_github",
        "RunActivity:ask_github",
        "GitHub:PullRequests",
    ]
    told = f"SignalWithStartWorkflow:{WORKSPACE_BACKFILL}"
    [ran], [ran_child] = (receiver.named(f"RunWorkflow:{each}") for each in (WORKSPACE_BACKFILL, REPOSITORY_BACKFILL))
    assert receiver.way(ran) == [told, ran.name]
    assert receiver.way(ran_child) == [told, f"StartChildWorkflow:{REPOSITORY_BACKFILL}", ran_child.name]


@pytest.mark.parametrize("name", ["repository-one-3", "workspace-retried", "workspace-gives-way-3"])
async def test_histories_without_traces_replay_in_a_worker_that_makes_them(name: str) -> None:
    traces = Traces("worker", "http://127.0.0.1:1")
    replayer = Replayer(
        workflows=[WorkspaceBackfillWorkflow, RepositoryBackfillWorkflow],
        data_converter=pydantic_data_converter,
        interceptors=[traces.interceptor],
    )
    await replayer.replay_workflow(read(name))


async def test_without_the_setting_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    async with process.traced("worker") as none:
        assert none is None
