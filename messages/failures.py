"""Failures of jobs, repositories and data types."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from messages.terms import DataType, Message, Text


class Failure(Message):
    """The failure of a job, a repository or a data type. People see it, and the job's `error_details` store it."""

    code: Annotated[str, Field(max_length=100)]
    message: Text
    action: Text = ""
    error_class: Literal["retry_now", "retry_later", "part_over", "job_over", "bug"] = "part_over"
    repository: str | None = None
    data_type: DataType | None = None
    cursor: Text | None = None
    at: datetime | None = None

    def of_type(self, data_type: DataType) -> "Failure":
        return self.model_copy(update={"data_type": data_type})

    def of_repository(self, full_name: str) -> "Failure":
        """Returns the failure with this repository's name. A failure that already has a repository's name is returned
        unchanged.
        """
        return self if self.repository else self.model_copy(update={"repository": full_name})

    @property
    def where(self) -> str:
        """The place of the failure, as far as it is known, such as `issues of acme/rocket at cursor abc`."""
        parts = [self.data_type or "", self.repository or ""]
        at = f" at cursor {self.cursor}" if self.cursor else ""
        return " of ".join(part for part in parts if part) + at

    @property
    def what_and_remedy(self) -> str:
        """The failure in words, and what a person can do about it."""
        return f"{self.code}: {self.message}" + (f" (what to do: {self.action})" if self.action else "")

    def in_words(self) -> str:
        """Returns the whole failure as text, for Temporal's UI."""
        where = self.where
        return (f"{where}: " if where else "") + self.what_and_remedy

    def with_action(self, action: str) -> "Failure":
        return self.model_copy(update={"action": action})
