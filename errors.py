"""What can go wrong, in four classes: each says what happens next, and carries what a person needs to act.

Everything that is raised on purpose in this project is one of these; anything else is a bug and is retried as
`RetryNow` until its attempts without progress are used up, then ends its part as `bug`.
"""

from datetime import datetime
from typing import Literal


class BackfillError(Exception):
    """`code` is one word for machines (`gone`), `message` what happened, `action` what a person can do about it."""

    def __init__(self, code: str, message: str, action: str = "") -> None:
        super().__init__(f"{code}: {message}" + (f" ({action})" if action else ""))
        self.code = code
        self.message = message
        self.action = action


class RetryNow(BackfillError):
    """Passing: the same request may work in a moment (502, a reset connection, a serialization failure)."""


class TooLarge(RetryNow):
    """Passing if less is asked for: the page was too much for GitHub (timeouts, resource limits, a null node)."""


class RetryLater(BackfillError):
    """Nothing is wrong; not before `at` (a rate limit). Costs no attempt.

    `waits_for` is the reason that people are shown while the work waits (`messages.WaitingReason`), `since` when it
    began, where that was before now.
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
    """This data type of this repository cannot go on; its siblings can (`forbidden`, `gone`, `taken_down`, ...)."""


class JobOver(BackfillError):
    """Nothing of this job can go on (no token is accepted; the job was deleted)."""


class BadInput(BackfillError):
    """An argument or a setting is wrong: the message names it. Commands answer exit code 2, HTTP answers 400."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__("bad_input", f"{name}: {message}")
        self.name = name


class Conflict(BadInput):
    """What was asked for cannot be done in the present state of its object. Commands exit with 2, HTTP answers 409."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.code = "conflict"


class Unreachable(BackfillError):
    """A server that a command needs does not answer. Commands answer exit code 3."""
