"""The state of a job, a repository or a data type, in its color."""

from rich.text import Text

_COLORS = {"completed": "green", "failed": "red", "canceled": "yellow", "in_progress": "cyan"}


def status_word(word: str) -> Text:
    return Text(word, style=_COLORS.get(word, ""))
