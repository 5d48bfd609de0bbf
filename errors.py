"""The taxonomy of errors. Each class decides what happens next, and tells people what they can do.

Every error that this project raises on purpose has one of these classes. Any other exception is a bug. A bug is retried
like `RetryNow`. After too many attempts without progress, the data type in which it occurred fails with the code `bug`.
"""

from datetime import datetime
from typing import Literal


class BackfillError(Exception):
    """The base of all errors. `code` is one word for machines, such as `gone`. `message` says what happened, and
    `action` says what a person can do.
    """

    def __init__(self, code: str, message: str, action: str = "") -> None:
        super().__init__(f"{code}: {message}" + (f" ({action})" if action else ""))
        self.code = code
        self.message = message
        self.action = action


class RetryNow(BackfillError):
    """A passing error: the same request may succeed a moment later. Examples are a 502, a reset connection and a
    serialization failure.
    """


class TooLarge(RetryNow):
    """A request is too large for the server. The server shows this by a timeout, an exceeded resource limit, or a null
    node. A smaller request may succeed.
    """


class RetryLater(BackfillError):
    """A limit: the request may be sent again at the moment `at`. The error does not count as a failed attempt.

    `waits_for` is the reason that people see during the wait (`messages.WaitingReason`). `since` is when the wait
    began, or None if the wait begins now.
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
    """This data type of this repository cannot continue. Other types can. Examples of codes are `forbidden`, `gone` and
    `taken_down`.
    """


class JobOver(BackfillError):
    """The whole job cannot continue, for example because no token is accepted, or because the job was deleted."""


class BadInput(BackfillError):
    """An argument or a setting is wrong. `name` is the name of the argument or setting. Commands exit with 2, and HTTP
    requests are answered with 400.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__("bad_input", f"{name}: {message}")
        self.name = name


class Conflict(BadInput):
    """The job's present state forbids the request, for example because the job has ended. Commands exit with 2, and
    HTTP requests are answered with 409.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.code = "conflict"


class Unreachable(BackfillError):
    """A server or a program that is needed does not answer, or does not let us in. Commands exit with 3, and HTTP
    requests are answered with 503.
    """
