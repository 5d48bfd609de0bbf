"""Measures what gql costs for a page: the CPU time of this process, with and without parts of gql, for one recorded
answer.

    python -m bench.requests [--pages 10] [--rounds 15]

A page of 25 whole pull requests is read from the stand-in once. Then another process gives that answer to each
request, so that only the client is measured: gql, accounts, HTTP, JSON, refusals, rows. The variants take turns, so
that other load on the machine affects all of them. In a sweep a page costs more, because it is also stored.
"""

import argparse
import asyncio
import logging
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import process_time
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import orjson
import structlog
from aiohttp import ClientSession, web
from gql import GraphQLRequest

from budget.account import Ask, Reservation, Told
from github.answers.reading import Raw
from github.client import GitHub
from github.queries.documents import Request
from github.threads.pages import read_page
from github.threads.thread_types import THREAD_TYPES
from github.transport.connection import Connection
from github.transport.credentials import Credentials
from messages import RepositoryRef
from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.ports import LOOPBACK, free_port

PULL_REQUESTS = 25
VARIANTS = ("as it is", "without gql's session", "printed by gql for each request")


class Unlimited:
    """A pool that grants every request at once, so that the cost of Postgres is not measured."""

    async def reserve(self, ask: Ask, accounts: Sequence[str]) -> Reservation:
        return Reservation(uuid4(), accounts[0], ask)

    async def settle(self, reservation: Reservation, told: Told) -> None: ...

    async def hear(self, account: str, told: Told, operation: str) -> None: ...

    async def learn(self, operation: str) -> None: ...


def replay(port: int, answers: dict[str, bytes]) -> None:
    """Serves each operation's recorded answer."""

    async def answer(request: web.Request) -> web.Response:
        operation = orjson.loads(await request.read())["operationName"]
        return web.Response(body=answers[operation], content_type="application/json")

    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/graphql", answer)
    web.run_app(app, host=LOOPBACK, port=port, print=None, access_log=None)


async def record() -> tuple[dict[str, bytes], RepositoryRef]:
    """Returns the answers that the stand-in gave, by operation, and the repository that they are about."""
    world = World()
    repository = generate(world, Plan("acme/rocket", pull_requests=PULL_REQUESTS))
    named = RepositoryRef(
        repository_id=str(uuid4()), github_id=repository.database_id, full_name=repository.name_with_owner
    )
    kept: dict[str, bytes] = {}
    send = Connection.graphql

    async def keeping(self: Connection, request: GraphQLRequest, secret: str) -> Raw:
        raw = await send(self, request, secret)
        kept[request.operation_name or ""] = raw.body
        return raw

    with StandIn(world, tokens={"ghp_ann": "ann"}) as stand_in, patch.object(Connection, "graphql", keeping):
        await read(stand_in.url, named, 1)
    return kept, named


async def read(url: str, repository: RepositoryRef, pages: int, variant: str = VARIANTS[0]) -> float:
    """Reads the page `pages` times; returns the CPU seconds for one page."""
    async with GitHub(url, f"{url}/graphql", Credentials(("ghp_ann",), None), Unlimited()) as github:
        bound = github.on_behalf_of(repository.full_name)
        with _as(variant, bound):
            await read_page(bound, THREAD_TYPES["pull_requests"], repository, PULL_REQUESTS, None)
            began = process_time()
            for _ in range(pages):
                threads = await read_page(bound, THREAD_TYPES["pull_requests"], repository, PULL_REQUESTS, None)
                assert len(threads.page.pull_requests) == PULL_REQUESTS
            return (process_time() - began) / pages


class _NoSession:
    """Calls the transport directly, without gql's session."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    async def execute(self, request: GraphQLRequest, *, get_execution_result: bool, **more: Any) -> Any:  # noqa: ARG002
        return await self._transport.execute(request, **more)


@contextmanager
def _as(variant: str, github: GitHub) -> Iterator[None]:
    if variant == VARIANTS[1]:
        with patch.object(github, "_session", _NoSession(github._transport)):
            yield
    elif variant == VARIANTS[2]:
        with patch.object(Request, "payload", GraphQLRequest.payload):
            yield
    else:
        yield


async def measure(url: str, repository: RepositoryRef, *, pages: int, rounds: int) -> dict[str, float]:
    """Returns the least CPU seconds for a page, by variant. The least, because other load on the machine only adds
    to it.
    """
    async with ClientSession() as session:
        while True:
            try:
                async with session.post(f"{url}/graphql", json={"operationName": "Viewer"}):
                    break
            except OSError:
                await asyncio.sleep(0.05)
    seconds: dict[str, list[float]] = {each: [] for each in VARIANTS}
    for _ in range(rounds):
        for variant in VARIANTS:
            seconds[variant].append(await read(url, repository, pages, variant))
    return {variant: min(each) for variant, each in seconds.items()}


async def run(pages: int, rounds: int) -> dict[str, float]:
    answers, repository = await record()
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=replay, args=(port, answers), daemon=True)
    server.start()
    try:
        return await measure(f"http://{LOOPBACK}:{port}", repository, pages=pages, rounds=rounds)
    finally:
        server.terminate()
        server.join()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.requests", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=int, default=10, help="of a variant, one after the other")
    parser.add_argument("--rounds", type=int, default=15, help="how often each variant has its turn")
    given = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = asyncio.run(run(given.pages, given.rounds))
    least = found[VARIANTS[1]]
    for variant, seconds in found.items():
        print(f"{variant:34} {seconds * 1e3:7.2f} ms of CPU a page  {seconds / least:6.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
