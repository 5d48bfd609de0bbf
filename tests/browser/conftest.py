"""A browser for each module of these tests."""

import os
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Playwright, async_playwright

from errors import Unreachable
from sandbox import chromium


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
