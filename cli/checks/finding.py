"""The findings of `doctor`: one line for each check, with advice."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from cli.console import one_line
from errors import BackfillError, BadInput, RetryNow, Unreachable

State = Literal["ok", "warning", "failure"]


class Finding(BaseModel):
    """The result of one check."""

    model_config = ConfigDict(frozen=True)

    check: str
    """What was checked, in a few words."""
    state: State
    what: str
    to_do: str = ""
    cause: Literal["setting", "unreachable"] | None = None
    """For a failure: an unreadable setting, or a server that does not answer."""
    checked: bool = True
    """False if there was nothing to check, because no setting asks for it."""

    @field_validator("what", "to_do")
    @classmethod
    def _one_line_without_secrets(cls, value: str) -> str:
        return one_line(value)


class Report(BaseModel):
    """The output of `doctor --json`."""

    model_config = ConfigDict(frozen=True)

    exit_code: int
    findings: list[Finding]


def ok(check: str, what: str) -> Finding:
    return Finding(check=check, state="ok", what=what)


def not_set(check: str, what: str) -> Finding:
    """Returns the finding for a part that is off, as it may be."""
    return Finding(check=check, state="ok", what=what, checked=False)


def warning(check: str, what: str, to_do: str) -> Finding:
    return Finding(check=check, state="warning", what=what, to_do=to_do)


def failure(check: str, what: str, to_do: str) -> Finding:
    return Finding(check=check, state="failure", what=what, to_do=to_do)


def bad_setting(check: str, error: BadInput) -> Finding:
    """Returns the finding for a setting that is missing or unreadable."""
    to_do = f"set {error.name} in the environment or in .env"
    return Finding(check=check, state="failure", what=error.message, to_do=to_do, cause="setting")


def trouble(check: str, error: BackfillError, to_do: str = "") -> Finding:
    """Returns the finding that a check failed with this error. `to_do` is the advice if the error itself has none."""
    away = isinstance(error, (Unreachable, RetryNow))
    return Finding(
        check=check,
        state="failure",
        what=error.message,
        to_do=error.action or to_do,
        cause="unreachable" if away else None,
    )


def exit_code(findings: Sequence[Finding]) -> int:
    """Returns the exit code of `doctor`. It is the first of these that applies: 2 if a setting cannot be read, 3 if a
    server did not answer and no check passed, 1 if any check failed, else 0.
    """
    if any(each.cause == "setting" for each in findings):
        return 2
    failures = [each for each in findings if each.state == "failure"]
    if (
        failures
        and not any(each.state == "ok" and each.checked for each in findings)
        and any(each.cause for each in failures)
    ):
        return 3
    return 1 if failures else 0
