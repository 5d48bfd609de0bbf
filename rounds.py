"""Keeps the loops of a server alive while Postgres does not answer, and after a bug."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from errors import RetryNow


class Rounds:
    """The rounds of a loop that continues even if a round raises an error. Of several failed rounds in a row, only the
    first is logged.
    """

    def __init__(self, logger: Any, *, waiting: str, broken: str) -> None:
        """`waiting` is the message to log if Postgres does not answer, and `broken` the message for any other error."""
        self._logger = logger
        self._waiting = waiting
        self._broken = broken
        self._has_failed = False

    @contextmanager
    def round(self) -> Iterator[None]:
        """Returns a context for one round. An error that is raised in the context is logged, and goes no further. A
        cancellation is not caught.
        """
        try:
            yield
        except RetryNow as error:
            if not self._has_failed:
                self._logger.warning(self._waiting, error=error.message)
            self._has_failed = True
        except Exception:
            # A bug in one loop must not end the server, which goes on with everything else.
            if not self._has_failed:
                self._logger.exception(self._broken)
            self._has_failed = True
        else:
            self._has_failed = False
