"""Keeps the loops of a server alive while Postgres does not answer, and after a bug."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from errors import RetryNow


class Rounds:
    """The rounds of a loop that goes on whatever one of them raises. Of failed rounds in a row only the first is
    logged.
    """

    def __init__(self, logger: Any, *, waiting: str, broken: str) -> None:
        """`waiting` is what `logger` is told if Postgres does not answer, `broken` if a round raises anything else."""
        self._logger = logger
        self._waiting = waiting
        self._broken = broken
        self._has_failed = False

    @contextmanager
    def round(self) -> Iterator[None]:
        """Logs what the round raises, and does not raise it. A cancel is raised."""
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
