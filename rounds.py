"""Keeps the loops of a process alive while a server does not answer, and after a bug."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from errors import BackfillError, RetryNow


class Rounds:
    """The rounds of a loop that continues even if a round raises an error. Of several failed rounds in a row, only the
    first is logged.
    """

    def __init__(
        self,
        logger: Any,
        *,
        waiting: str,
        broken: str,
        again: str = "",
        waits_for: tuple[type[BackfillError], ...] = (RetryNow,),
    ) -> None:
        """`waiting` is the message to log for the errors of `waits_for`, and `broken` the message for any other error.
        `waits_for` is by default a Postgres that does not answer. `again` is the message to log for the first round
        that succeeds after failed ones; if it is empty, nothing is logged.
        """
        self._logger = logger
        self._waiting = waiting
        self._broken = broken
        self._again = again
        self._waits_for = waits_for
        self.error: Exception | None = None
        """Why the last round failed; None if it succeeded."""

    @contextmanager
    def round(self) -> Iterator[None]:
        """Returns a context for one round. An error that is raised in the context is logged, and goes no further. A
        cancellation is not caught.
        """
        try:
            yield
        except self._waits_for as error:
            if self.error is None:
                self._logger.warning(self._waiting, error=error.message)
            self.error = error
        except Exception as error:
            # A bug in one loop must not end the process, which goes on with everything else.
            if self.error is None:
                self._logger.exception(self._broken)
            self.error = error
        else:
            if self.error is not None and self._again:
                self._logger.info(self._again)
            self.error = None

    @property
    def trouble(self) -> str | None:
        """Why the last round failed, in words. None if it succeeded."""
        if self.error is None:
            return None
        return (
            str(self.error) if isinstance(self.error, self._waits_for) else f"{type(self.error).__name__}: {self.error}"
        )
