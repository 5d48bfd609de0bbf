"""Parses requests: JSON bodies and query parameters become pydantic models. A request that is wrong is answered with
400 and a message that names the errors.
"""

import re
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from api.answers import Refusal
from api.limits import body_of

ModelT = TypeVar("ModelT", bound=BaseModel)
NAMED = 5
"""Most problems of one request that are named."""
QUOTED = 60
KEY = r"[!-~]{1,255}"


async def json_of(request: web.Request, model: type[ModelT]) -> ModelT:
    """Returns the body, parsed as `model`. An empty body counts as `{}`.

    Raises a `Refusal`: 415 if the body is not declared as JSON or is compressed, 400 if it is invalid, 413 if it is too
    large, 408 if it does not arrive in time.
    """
    body = await body_of(request)
    if not body:
        return _valid(model, b"{}")
    if request.content_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise Refusal(415, "unsupported_media_type", "the body must be application/json, and not compressed")
    return _valid(model, body)


def key_of(request: web.Request) -> str | None:
    """Returns the `Idempotency-Key` header, or None if the header is missing. Raises a `Refusal` (400) if the key is
    invalid.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(KEY, key):
        raise Refusal(400, "bad_input", "Idempotency-Key: must be 1 to 255 visible characters of ASCII")
    return key


def query_of(request: web.Request, model: type[ModelT]) -> ModelT:
    """Returns the query parameters, parsed as `model`. Raises a `Refusal` (400) if a parameter is invalid or given
    twice.
    """
    given = request.query
    if twice := sorted({name for name in given if len(given.getall(name)) > 1}):
        raise Refusal(400, "bad_input", f"{', '.join(map(_quoted, twice))}: given more than once")
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise _refused(error) from None


def _valid(model: type[ModelT], body: bytes) -> ModelT:
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise _refused(error) from None


def _refused(error: ValidationError) -> Refusal:
    problems = error.errors(include_url=False, include_context=False)
    if any(each["type"] == "json_invalid" for each in problems):
        return Refusal(400, "bad_json", "the body is not JSON")
    named = []
    for each in problems[:NAMED]:
        where = ".".join(map(str, each["loc"])) or "the body"
        what = each["msg"].removeprefix("Value error, ")
        given = "" if each["type"] in ("missing", "extra_forbidden") else f", not {_quoted(each['input'])}"
        named.append(f"{_cut(where)}: {what}{given}")
    more = len(problems) - len(named)
    return Refusal(400, "bad_input", "; ".join(named) + (f"; and {more} more" if more > 0 else ""))


def _quoted(value: object) -> str:
    return _cut(ascii(value))


def _cut(text: str) -> str:
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."
