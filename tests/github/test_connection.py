"""Where a redirect leads, and what goes along."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from yarl import URL

from github.queries.documents import Request
from github.transport.connection import Connection
from tests.support.serving import serving

TOKEN = "ghp_ann"


@asynccontextmanager
async def served(answer: web.Response, heard: list[str | None]) -> AsyncIterator[URL]:
    """Serves one answer to every request, and keeps what each request says of its token."""

    async def handle(request: web.Request) -> web.Response:
        heard.append(request.headers.get("Authorization"))
        return answer

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with serving(app) as url:
        yield URL(url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("by_rest", [True, False], ids=["REST", "GraphQL"])
async def test_a_token_does_not_follow_a_redirect_to_another_server(status: int, by_rest: bool) -> None:
    here: list[str | None] = []
    there: list[str | None] = []
    async with served(web.json_response({"data": {}}), there) as other:
        away = web.Response(status=status, headers={"Location": str(other / "elsewhere")})
        async with served(away, here) as github, Connection(str(github), str(github / "graphql")) as connection:
            asked = connection.get("/user", TOKEN) if by_rest else connection.graphql(Request("Viewer", {}), TOKEN)
            await asked
    assert here == [f"Bearer {TOKEN}"]
    assert there == [None]
