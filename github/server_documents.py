"""The project's documents as the server that is asked takes them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import structlog
from gql import GraphQLRequest

from errors import PartOver
from github import documents
from github.answers import Answer
from github.fitted_document import fill, fit, fit_variables
from github.refusals import SchemaMismatch
from github.server_schema import ServerSchema

log = structlog.get_logger(__name__)

MOST_FITTINGS = 4
"""How often one request is made to fit: by the schema that the server tells once, then by what its errors name."""


class ServerDocuments:
    """Documents as they are, until the server refuses one; then without what its schema lacks.

    `introspect` sends `server_schema.INTROSPECTION`.
    """

    def __init__(self, introspect: Callable[[], Awaitable[Answer]]) -> None:
        self._introspect = introspect
        self._lock = asyncio.Lock()
        self._schema: ServerSchema | None = None
        self._revision = 0
        self._texts: dict[tuple[str, int, frozenset[str]], str] = {}

    @property
    def left_out(self) -> frozenset[str]:
        """What documents asked for and the server lacks, so far."""
        return frozenset(self._schema.left_out) if self._schema is not None else frozenset()

    async def has_learned(self, left_out: Collection[str]) -> bool:
        """Whether the server has by now some of what was left out once. Asks for its schema if nobody did."""
        if not left_out:
            return False
        async with self._lock:
            if self._schema is None:
                self._schema = await self._ask()
        return any(self._schema.has(each) for each in left_out)

    def text(self, operation: str, aliases: int = 0, withheld: frozenset[str] = frozenset()) -> str:
        """As `documents.text`, of what this server takes, without what an account is `withheld` by its permissions."""
        if self._schema is None:
            return documents.text(operation, aliases, withheld)
        key = (operation, aliases, withheld)
        if key not in self._texts:
            before = self.left_out
            fitted = fit(documents.whole(operation, aliases, withheld), self._schema)
            self._texts[key] = str(GraphQLRequest(fitted, operation_name=operation).payload["query"])
            if news := self.left_out - before:
                log.warning("the server lacks part of GitHub's schema: it is left out", left_out=sorted(news))
        return self._texts[key]

    def variables(self, operation: str, aliases: int, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """Those that this server takes."""
        if self._schema is None:
            return variables
        return fit_variables(documents.whole(operation, aliases), variables, self._schema)

    async def fitting(
        self, operation: str, aliases: int, variables: Mapping[str, Any], ask: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """The answer to `ask`, which makes its document anew each time: None stands in it for what was left out.

        Raises `SchemaMismatch` if the server goes on refusing.
        """
        for _ in range(MOST_FITTINGS):
            revision = self._revision
            try:
                answer = await ask()
            except SchemaMismatch as error:
                await self._refused(revision, error)
                continue
            if self.left_out or answer.left_out:
                fill(answer.data, documents.whole(operation, aliases), variables)
            return answer
        return await ask()

    async def _refused(self, revision: int, error: SchemaMismatch) -> None:
        async with self._lock:
            if self._revision != revision:
                return  # another call has found out meanwhile what the server lacks
            known = self._schema
            schema = known or await self._ask()
            if (known is not None or not schema.types) and not schema.learn(error.errors):
                raise error
            self._schema, self._texts = schema, {}
            self._revision += 1

    async def _ask(self) -> ServerSchema:
        """The server's schema; one without types if the server does not tell it."""
        try:
            return ServerSchema.of((await self._introspect()).data)
        except (PartOver, KeyError, TypeError) as error:
            log.warning("the server does not tell its schema: its errors have to", why=str(error)[:200])
            return ServerSchema()
