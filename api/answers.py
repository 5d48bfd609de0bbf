"""Builds answers: JSON from pydantic models, ETags, and errors of the form `{"error": {"code", "message"}}`."""

import hashlib
from collections.abc import Mapping, Set

from aiohttp import web
from pydantic import BaseModel

from errors import BackfillError


class Refusal(BackfillError):
    """An error that the server answers with this HTTP status and these headers."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code, message)
        self.status = status
        self.headers = dict(headers or {})


def not_found() -> Refusal:
    """Returns a 404. The answer does not tell whether something is missing or only hidden from the caller."""
    return Refusal(404, "not_found", "there is nothing here that you may see")


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)


def answer(model: BaseModel, status: int = 200) -> web.Response:
    return web.Response(text=model.model_dump_json(), status=status, content_type="application/json")


def tag_of(lasting: bytes) -> str:
    """Returns the ETag of an answer. `lasting` is the answer without the fields that change with time alone. Streams
    use the ETag of a job's answer as the version of the job.
    """
    return hashlib.sha256(lasting).hexdigest()[:32]


def read(request: web.Request, model: BaseModel, *, moving: Set[str] = frozenset()) -> web.Response:
    """Returns the answer to a GET request: `model` as JSON, with an ETag. If the caller already has this version,
    returns 304 without a body.

    `moving` names the fields that change with time alone. These fields do not affect the ETag, so the ETag changes only
    when rows change.
    """
    tag = tag_of((model.model_dump_json(exclude=set(moving)) if moving else model.model_dump_json()).encode())
    headers = {
        "ETag": f'W/"{tag}"' if moving else f'"{tag}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization",
    }
    if any(known.value in ("*", tag) for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(text=model.model_dump_json(), content_type="application/json", headers=headers)
