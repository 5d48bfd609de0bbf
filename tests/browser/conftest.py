"""A browser and a running system for each module of these tests."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from playwright.async_api import Browser, Playwright, async_playwright
from temporalio.client import Client

from errors import Unreachable
from sandbox import chromium
from sandbox.github import StandIn, World
from sandbox.postgres import Postgres
from sandbox.temporal import Temporal
from tests.support import shop
from tests.support.browser import stack as stacks
from tests.support.browser.opened import Open
from tests.support.browser.reader import Reader, reader
from tests.support.browser.stack import Stack
from tests.support.programs import Programs, Zygote
from tests.support.started import PROGRAMS, program_environment


@pytest.fixture(scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
async def browser(playwright: Playwright) -> AsyncIterator[Browser]:
    """A Chromium without a window. Where there is none the test is skipped, but never in CI."""
    try:
        launched = await chromium.launch(playwright)
    except Unreachable as error:
        if os.environ.get("CI"):
            pytest.fail(error.message)
        pytest.skip(error.message)
    yield launched
    await launched.close()


@pytest.fixture
async def host(module_database: str) -> AsyncIterator[asyncpg.Connection]:
    """The host application's own connection to `module_database`, which is empty when a test begins."""
    async with shop.emptied(module_database) as connection:
        yield connection


@pytest.fixture(scope="module")
async def stack(
    browser: Browser,  # noqa: ARG001 (without one, nothing is started)
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres: Postgres,
    migrated_template: str,
    temporal: Temporal,
    temporal_client: Client,
) -> AsyncIterator[Stack]:
    """The webhook server runs; a worker does once a test starts one."""
    zygote: Zygote | None = request.getfixturevalue("zygote") if sys.platform == "linux" else None
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(shop.database(postgres, migrated_template))
        host = await stack.enter_async_context(shop.connected(dsn))
        github = stack.enter_context(StandIn(World(), tokens={"ghp_stand_in": "viewer"}, latency=0.02))
        programs = stack.enter_context(Programs(tmp_path_factory.mktemp("programs"), zygote))
        environment = program_environment(dsn, temporal) | stacks.settings(github)
        running = Stack(dsn, environment, programs, temporal_client, github, host)
        await running.start_webhook()
        yield running


@pytest.fixture(autouse=True)
def _logs_of_the_stack_are_shown(request: pytest.FixtureRequest) -> None:
    """When a test fails, as those of its own programs are."""
    if "stack" in request.fixturenames:
        request.node.stash[PROGRAMS] = request.getfixturevalue("stack").programs


@pytest.fixture
async def open_reader(browser: Browser) -> AsyncIterator[Open]:
    """Opens a browser for somebody; options are those of `reader.reader`. Afterwards nobody's browser complained."""
    opened: list[Reader] = []

    async def begin(**options: Any) -> Reader:
        opened.append(await reader(browser, **options))
        return opened[-1]

    yield begin
    for each in opened:
        await each.context.close()
    assert not (complaints := [complaint for each in opened for complaint in each.complaints]), "\n".join(complaints)
