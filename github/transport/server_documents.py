"""Removes from the project's documents the names that the server's schema lacks."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog
from graphql import print_ast

from errors import PartOver
from github.answers.reading import Answer
from github.answers.refusals import SchemaMismatch
from github.queries import documents
from github.queries.documents import Printed, Request
from github.queries.fitted_document import fill, fit, fit_variables
from github.queries.server_schema import ServerSchema

log = structlog.get_logger(__name__)

MOST_FITTINGS = 4
"""How often one request is changed: first by the server's schema, then by the names in the server's errors."""


class ServerDocuments:
    """The project's documents. The documents are unchanged until the server refuses one of them. From then on, they
    leave out the names that the server's schema lacks.

    `introspect` sends `server_schema.INTROSPECTION`.
    """

    def __init__(self, introspect: Callable[[], Awaitable[Answer]]) -> None:
        self._introspect = introspect
        self._lock = asyncio.Lock()
        self._schema: ServerSchema | None = None
        self._revision = 0
        self._printed: dict[tuple[str, int, frozenset[str]], Printed] = {}

    @property
    def left_out(self) -> frozenset[str]:
        """The names that documents use although the server's schema lacks them, as far as they are known."""
        return frozenset(self._schema.left_out) if self._schema is not None else frozenset()

    async def has_learned(self, left_out: Collection[str]) -> bool:
        """Returns whether the server's schema now has one of the names `left_out`. If the schema is not known yet, it
        is requested.
        """
        if not left_out:
            return False
        async with self._lock:
            if self._schema is None:
                self._schema = await self._ask()
        return any(self._schema.has(each) for each in left_out)

    def fitted(self, request: Request, withheld: frozenset[str] = frozenset()) -> Request:
        """Returns the request without the names that the server's schema lacks, and without the fields `withheld`.
        GitHub refuses the fields `withheld` to the account.
        """
        if self._schema is None:
            return request.without(withheld) if withheld else request
        key = (request.operation, request.aliases, withheld)
        if key not in self._printed:
            before = self.left_out
            document = fit(documents.request_document(*key), self._schema)
            self._printed[key] = Printed(document, print_ast(document))
            if news := self.left_out - before:
                log.warning("the server lacks part of GitHub's schema: it is left out", left_out=sorted(news))
        return request.sent_as(self._printed[key], fit_variables(request.document, request.variables, self._schema))

    async def fitting(self, request: Request, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Calls `ask`, which sends the request, and returns the answer. If the server refuses the document, finds out
        which names the schema lacks, and calls `ask` again. In the answer, fields that were left out are None or empty
        connections.

        Raises `SchemaMismatch` if the server refuses every version of the document.
        """
        for _ in range(MOST_FITTINGS):
            revision = self._revision
            try:
                answer = await ask()
            except SchemaMismatch as error:
                await self._refused(revision, error)
                continue
            if self.left_out or answer.left_out:
                fill(answer.data, request.document, request.variables)
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
            self._schema, self._printed = schema, {}
            self._revision += 1

    async def _ask(self) -> ServerSchema:
        """Requests the server's schema. Returns a schema without types if the server hides its schema."""
        try:
            return ServerSchema.of((await self._introspect()).data)
        except (PartOver, KeyError, TypeError) as error:
            log.warning("the server does not tell its schema: its errors have to", why=str(error)[:200])
            return ServerSchema()
