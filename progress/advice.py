"""Advises what a person can do about a failure."""

from messages import Failure

_BY_CODE = {
    "removed": "add the repository to the workspace again to have it fetched",
    "canceled": "retry it: it goes on where it stood",
    "gone": "check that the repository still exists and that the token's account may read it, then retry it",
    "forbidden": "give the token's account access to the repository, then retry it",
    "unauthorized": "set a GitHub token that is accepted, then retry it",
    "taken_down": "GitHub took the repository down: nothing more of it can be fetched",
    "bug": "retry it; if it fails again, report it with this message",
}
_RETRY = "retry it: it goes on where it stood"


def what_to_do(failure: Failure) -> str:
    """Returns what a person can do about a failure: the failure's own advice, or else the advice for the failure's
    code. The text is never empty.
    """
    return failure.action or _BY_CODE.get(failure.code, _RETRY)
