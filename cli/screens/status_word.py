"""Shows the status of a job, a repository or a data type as a colored word."""

from rich.text import Text

STYLES = {
    "completed": "green",
    "failed": "red",
    "canceled": "yellow",
    "waiting": "yellow",
    "in_progress": "cyan",
    "running": "cyan",
    "pending": "dim",
    "skipped": "dim",
}


def status_word(word: str) -> Text:
    return Text(word, style=STYLES.get(word, ""))
