"""Opens the page for a test."""

from collections.abc import Awaitable, Callable

from tests.support.browser.reader import Reader

Open = Callable[..., Awaitable[Reader]]
