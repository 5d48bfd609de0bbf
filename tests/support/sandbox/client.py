"""A client for the stand-in for GitHub."""

import http.client
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

import orjson

from sandbox.github import StandIn
from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def data(self) -> Any:
        assert "errors" not in self.json, self.json["errors"]
        return self.json["data"]

    @property
    def error(self) -> dict[str, Any]:
        """Returns the only error of the answer."""
        (error,) = self.json["errors"]
        assert isinstance(error, dict)
        return error


@dataclass(frozen=True)
class Client:
    """Sends each request over a connection of its own."""

    github: StandIn
    token: str = "token"

    def ask(self, query: str, headers: dict[str, str] | None = None, **variables: Any) -> Reply:
        """Sends a GraphQL query."""
        return self.send("POST", "/graphql", orjson.dumps({"query": query, "variables": variables}), headers)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        return self.send("GET", path, None, headers)

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = PATIENCE,
    ) -> Reply:
        address = urlsplit(self.github.url)
        assert address.hostname is not None
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=timeout)
        try:
            given = {"Authorization": f"bearer {self.token}", "User-Agent": "tests"} | (headers or {})
            connection.request(method, path, body, {name: value for name, value in given.items() if value})
            response = connection.getresponse()
            return Reply(response.status, response.msg, response.read())
        finally:
            connection.close()
