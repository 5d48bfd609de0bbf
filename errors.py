"""The taxonomy of errors. Each class says what happens next, and carries what a person needs to act.

Every error that this project raises on purpose is of one of these classes. Any other exception is a bug: it is
retried like `RetryNow`, and after too many attempts without progress its data type ends with the code `bug`.
"""

from datetime import datetime
from typing import Literal


class BackfillError(Exception):
    """The base of all errors. `code` is one word for machines (`gone`), `message` says what happened, `action` what a
    person can do.
    """

    def __init__(self, code: str, message: str, action: str = "") -> None:
        super().__init__(f"{code}: {message}" + (f" ({action})" if action else ""))
        self.code = code
        self.message = message
        self.action = action


class RetryNow(BackfillError):
    """A passing error: the same request may succeed in a moment (502, a reset connection, a serialization failure)."""


class TooLarge(RetryNow):
    """A request that is too large for the server (a timeout, a resource limit, a null node). A request for less may
    succeed.
    """


class RetryLater(BackfillError):
    """A limit: the request may be sent again at the moment `at`. This does not count as a failed attempt.

    `waits_for` is the reason that people see during the wait (`messages.WaitingReason`). `since` is when the wait
    began, if that was earlier.
    """

    def __init__(
        self,
        code: str,
        message: str,
        at: datetime,
        action: str = "",
        *,
        waits_for: Literal["github_limit", "github_away", "openai_limit"] = "github_limit",
        since: datetime | None = None,
    ) -> None:
        super().__init__(code, message, action)
        self.at = at
        self.waits_for = waits_for
        self.since = since


class PartOver(BackfillError):
    """This data type of this repository cannot continue; other types can (`forbidden`, `gone`, `taken_down`, ...)."""


class JobOver(BackfillError):
    """The whole job cannot continue (no token is accepted; the job was deleted)."""


class BadInput(BackfillError):
    """An argument or a setting is wrong; the message names it. Commands exit with 2, HTTP answers 400."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__("bad_input", f"{name}: {message}")
        self.name = name


class Conflict(BadInput):
    """The job's present state forbids the request (such as: it has ended). Commands exit with 2, HTTP answers 409."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.code = "conflict"


class Unreachable(BackfillError):
    """A server that a command needs does not answer. Commands exit with 3."""
