"""`GET /api/openapi.json`: the API's description (OpenAPI 3.1), generated from the routes and the models."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api.models import Error
from api.requests import KEY
from api.routes import Route

VERSION = "1.0.0"
SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A user's token of the host application (Supabase), or the service token.",
    },
    "service_key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The service token, where the host application's own client puts it.",
    },
}
_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "bearer": [{"bearer": []}],
    "host": [{"bearer": []}, {"service_key": []}],
    "none": [],
}
# Of a stream each event is described, by its fields; what `data` holds is JSON.
_EVENT = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
}
_NAMES = re.compile(r"{(\w+)}")


def describe(routes: Sequence[Route], prefix: str, beside: Sequence[Route] = ()) -> dict[str, Any]:
    """Returns the whole OpenAPI document. `prefix` is put before the paths of `routes`. The routes in `beside` do not
    belong to the API, so their paths stay as they are.
    """
    used: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Error, "serialization")]
    for route in (*routes, *beside):
        used += [(model, "serialization") for model in route.answers.values() if model]
        used += [(model, "validation") for model in (route.body, route.query) if model]
    distinct = list(dict.fromkeys(used))
    references, definitions = models_json_schema(distinct, ref_template="#/components/schemas/{model}")
    schemas = definitions.get("$defs", {})
    paths: dict[str, dict[str, Any]] = {}
    for path, route in [*((prefix + each.path, each) for each in routes), *((each.path, each) for each in beside)]:
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, references, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Workspace Backfill",
            "version": VERSION,
            "description": "Status and control of backfills. Members of a workspace read, owners and admins change.",
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": SCHEMES},
    }


def _operation(route: Route, references: dict[Any, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
        for name in _NAMES.findall(route.path)
    ]
    if route.query is not None:
        schema = schemas[route.query.__name__]
        parameters += [
            {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": its}
            for name, its in schema["properties"].items()
        ]
    if route.repeatable:
        key = {"type": "string", "pattern": f"^{KEY}$"}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": key})
    operation: dict[str, Any] = {
        "summary": route.summary,
        "security": _SECURITY[route.security],
        "parameters": parameters,
        "responses": {
            **{
                str(status): _response(
                    status, references[model, "serialization"] if model else None, route.streams and status == 200
                )
                for status, model in route.answers.items()
            },
            **{str(status): _response(status, references[Error, "serialization"]) for status in sorted(route.refusals)},
            "5XX": _response(500, references[Error, "serialization"]),
        },
    }
    if route.body is not None:
        required = bool(schemas[route.body.__name__].get("required"))
        content = {"application/json": {"schema": references[route.body, "validation"]}}
        operation["requestBody"] = {"required": required, "content": content}
    return operation


def _response(status: int, schema: Any, streams: bool = False) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if schema is not None:
        response["content"] = {"application/json": {"schema": schema}}
    elif streams:
        response["content"] = {"text/event-stream": {"schema": _EVENT}}
    return response


class Description:
    """Serves `document`, the OpenAPI document, which does not change while the server runs."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._body = orjson.dumps(document)

    async def get(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(body=self._body, content_type="application/json")
