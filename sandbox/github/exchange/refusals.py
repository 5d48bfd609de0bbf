"""The errors that GitHub reports in an answer with HTTP status 200. Each is an exception, from which an entry of
`errors` is made.
"""

from typing import Any


class GitHubError(Exception):
    """An entry of `errors`. `type` is GitHub's name for the error, such as `NOT_FOUND`. The path and the locations are
    added when the answer is made.
    """

    def __init__(self, type_: str, message: str, extensions: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.type = type_
        self.message = message
        self.extensions = extensions

    def entry(self, path: list[str | int] | None = None, locations: Any = None) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": self.type}
        if path is not None:
            entry["path"] = path
        if self.extensions is not None:
            entry["extensions"] = self.extensions
        if locations is not None:
            entry["locations"] = locations
        return entry | {"message": self.message}


class NotModelled(Exception):
    """Raised for a field, an argument or a path that GitHub has and the stand-in does not have. The request is then
    refused with 501, not answered with null.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"the stand-in does not model {what}")


def something_went_wrong(request_id: str) -> str:
    return (
        f"Something went wrong while executing your query on {request_id}. "
        f"Please include `{request_id}` when reporting this issue."
    )
