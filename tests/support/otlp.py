"""Receives OpenTelemetry's traces in this process."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sandbox.ports import LOOPBACK


class Receiver:
    """Serves `POST /v1/traces` at `url`, and keeps what it receives."""

    def __init__(self) -> None:
        self.bytes = b""
        self.spans: list[Span] = []
        self.services: set[str] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver._take(body)
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> "Receiver":
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def way(self, span: Span) -> list[str]:
        """Returns the names of the spans above a span, from the top, and its own name; empty if one of them was not
        received.
        """
        known, way = {each.span_id: each for each in self.spans}, [span.name]
        while span.parent_span_id:
            if span.parent_span_id not in known:
                return []
            span = known[span.parent_span_id]
            way.insert(0, span.name)
        return way

    @staticmethod
    def attributes(span: Span) -> dict[str, str | int]:
        values = {each.key: each.value for each in span.attributes}
        return {key: each.string_value or each.int_value for key, each in values.items()}

    def _take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        self.bytes += body
        for resource in request.resource_spans:
            self.services |= {
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
