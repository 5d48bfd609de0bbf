"""The errors that GitHub reports in an answer with HTTP status 200. Each is an exception that becomes an entry of
`errors`.
"""

from typing import Any


class GitHubError(Exception):
    """An entry of `errors`. `type` is GitHub's word, such as `NOT_FOUND`. Path and locations are added where it is
    raised.
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
    """Raised for something that the schema has and the stand-in does not. The request is then refused, not answered
    with null.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"the stand-in does not model {what}")


def something_went_wrong(request_id: str) -> str:
    return (
        f"Something went wrong while executing your query on {request_id}. "
        f"Please include `{request_id}` when reporting this issue."
    )
