"""Traces by OpenTelemetry. Each workflow, each activity and each request to GitHub has a span, which is a child of the
span that caused it.

Only programs that send traces import this module (`process.traced`). A trace begins when a workflow is signaled about a
job. Spans hold ids, names of operations and numbers. They do not hold the texts of errors, because such a text might
quote a customer's text.
"""

import time
from collections.abc import Sequence
from threading import Thread
from types import TracebackType

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode
from temporalio.contrib.opentelemetry import TracingInterceptor

from budget.account import Ask, Told
from release import VERSION

EXPORT_SECONDS = 5.0
"""Time in which the receiver has to take an export of spans; otherwise these are dropped."""
END_SECONDS = 3.0
"""Longest time that a program at its end waits for the receiver to take the last spans."""


class Traces:
    """Sends spans to an OTLP receiver at `endpoint` (HTTP, protobuf) while the context is open."""

    def __init__(self, program: str, endpoint: str) -> None:
        resource = Resource.create({SERVICE_NAME: f"workspace-backfill-{program}", SERVICE_VERSION: VERSION})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        sender = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(_WithoutTexts(sender)))
        self.tracer = self._provider.get_tracer("workspace-backfill", VERSION)
        # Also of a workflow that a command told of its job, without a trace.
        self.interceptor = TracingInterceptor(self.tracer, always_create_workflow_spans=True)
        """For a client and its workers. It adds only a header to a workflow's history, which replays do not compare."""

    async def __aenter__(self) -> "Traces":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ending = Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(END_SECONDS)

    def request_ended(self, account: str, ask: Ask, told: Told) -> None:
        """Makes a span for a finished request to GitHub. The span is a child of the span of the activity that sent the
        request. `ask` says what was requested, and `told` says how the request ended.
        """
        now = time.time_ns()
        attributes: dict[str, str | int] = {
            "github.account": account,
            "github.resource": ask.resource,
            "github.operation": ask.operation,
            "github.points": ask.points if told.points is None else told.points,
            "github.outcome": told.outcome,
        }
        began = now - int(told.seconds * 1e9)
        span = self.tracer.start_span(
            f"GitHub:{ask.operation}", kind=SpanKind.CLIENT, attributes=attributes, start_time=began
        )
        if told.outcome != "answered":
            span.set_status(StatusCode.ERROR)
        span.end(now)


class _WithoutTexts(SpanExporter):
    """Passes spans on to `sender` without the texts of errors. Only the class of an error is kept."""

    def __init__(self, sender: SpanExporter) -> None:
        self._sender = sender

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._sender.export([_without_texts(span) for span in spans])

    def shutdown(self) -> None:
        self._sender.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._sender.force_flush(timeout_millis)


def _without_texts(span: ReadableSpan) -> ReadableSpan:
    events = [
        Event(each.name, {"exception.type": str((each.attributes or {}).get("exception.type", ""))}, each.timestamp)
        for each in span.events
    ]
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
