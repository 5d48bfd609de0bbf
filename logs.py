"""Writes logs to standard error without secrets, one line for each event: as JSON for machines, or as text for a
terminal.

Libraries that use `logging` (temporalio, aiohttp, asyncpg) log in the same way. Secrets are removed from the finished
line, because exceptions and other objects only become text when the line is written.
"""

import json
import logging
import re
import sys
from types import TracebackType
from typing import Any, Literal

import orjson
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
QUIET = ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "aiohttp.access", "asyncio")
"""Libraries that log every request at INFO, with its address."""

_VALUE = r"(?!\[redacted)[^\s\"',;\\}]+"
_SCHEME = r"(?:(?:bearer|basic|token)\s+)?"
_SHAPES = (
    (re.compile(rf"(?i)(\bauthorization\b[\\\"']*\s*[:=,]\s*\\?(?:b?[\"'])?{_SCHEME}){_VALUE}"), r"\1"),
    (re.compile(rf"(?i)(\bbearer\s+)(?=\S{{8}}){_VALUE}"), r"\1"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@\"']*:)[^\s/@\"']+(?=@)"), r"\1"),
    # An installation's token may hold a JSON web token, which has dots, as an App's own has.
    (re.compile(r"\b(?:gh[opsur]_|github_pat_|whsec_|polar_(?:oat|pat)_)[A-Za-z0-9_.+/=-]+"), ""),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"), ""),
    (re.compile(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"), ""),
)
_secrets: set[str] = set()


def register_secret(value: str) -> None:
    """Registers a secret, so that `value` is removed from all further log lines. An empty string is ignored."""
    if value:
        _secrets.update(_spellings(value))


def forget_secret(value: str) -> None:
    """Forgets a registered secret that is no longer valid. Log lines are then not searched for `value` any more.
    Without this, the secrets that are valid for one hour only would accumulate.
    """
    _secrets.difference_update(_spellings(value))


def _spellings(value: str) -> set[str]:
    return {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}


def redact(text: str) -> str:
    """Returns `text` without secrets. Removed are registered secrets, values of Authorization headers, passwords in
    addresses, private keys, and tokens of known forms.
    """
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    for shape, kept in _SHAPES:
        text = shape.sub(kept + REDACTED, text)
    return text


def configure(log_format: Literal["json", "console"]) -> None:
    """Sends everything that this process logs to standard error, including uncaught exceptions.

    May be called again to change the format.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    rendered: list[Processor]
    if log_format == "json":
        rendered = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
    else:
        # Never rich's tracebacks: they show local variables.
        plain = structlog.dev.plain_traceback
        rendered = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name(__name__)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered, _redact],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler, *(other for other in root.handlers if other.name != __name__)]
    root.setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught


def _json(event: EventDict, **_: Any) -> str:
    line = {name: event[name] for name in ("timestamp", "level", "event") if name in event} | dict(event)
    return orjson.dumps(line, default=lambda value: redact(repr(value)), option=orjson.OPT_NON_STR_KEYS).decode()


def _redact(_logger: WrappedLogger, _method: str, line: Any) -> str:
    return redact(line)


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    structlog.get_logger(__name__).critical("uncaught", exc_info=(kind, error, traceback))
