"""Writes the e-mail about a milestone (subject, text and HTML) from the templates in this package."""

import unicodedata
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from store.milestones import Milestone
from unshown import how_many

NAME_LENGTH = 80
LINE_LENGTH = 500

_LABELS = {
    "pull_requests": "pull requests",
    "issues": "issues",
    "discussions": "discussions",
    "reviews": "reviews",
    "comments": "comments",
    "events": "events (stars, forks, pushes, releases, ...)",
    "embeddings": "entries of the search index",
}
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


class Letter(NamedTuple):
    """The content of one e-mail."""

    subject: str
    text: str
    html: str


def write(milestone: Milestone, settings_page: str | None) -> Letter:
    """Returns the e-mail about a milestone. The e-mail links to `settings_page` unless that is None."""
    workspace = one_line(milestone.workspace_name, NAME_LENGTH) or "your workspace"
    facts = {
        "workspace": workspace,
        "heading": _heading(milestone),
        "milestone": milestone,
        "days": _count(milestone.retention_days, "day", "days"),
        "repositories": _count(milestone.total_repositories, "repository", "repositories"),
        "stored": [(label, f"{number:,}") for kind, label in _LABELS.items() if (number := milestone.stored.get(kind))],
        "reason": one_line(milestone.message),
        "failures": [
            {
                "where": one_line(each.repository) + (f", {_LABELS[each.data_type]}" if each.data_type else ""),
                "why": one_line(each.message),
                "action": one_line(each.action),
            }
            for each in milestone.failures
        ],
        "unshown": how_many(milestone.unshown) if milestone.unshown else "",
        "unshown_things": [one_line(each) for each in milestone.unshown_things],
        "settings_page": settings_page,
    }
    return Letter(
        subject=f"{workspace}: {_heading(milestone)}",
        text=_TEMPLATES.get_template("milestone.txt").render(facts),
        html=_TEMPLATES.get_template("milestone.html").render(facts),
    )


def one_line(text: str, most: int = LINE_LENGTH) -> str:
    """Returns `text` on one line of at most `most` characters. Removes control characters, and characters that hide or
    reverse text.

    Text from outside, such as a repository's name, may contain such characters. A line break in a subject would begin
    another header of the e-mail. A direction mark would reverse the text after the mark.
    """
    shown = "".join(" " if each.isspace() else each for each in text if each.isspace() or _is_shown(each))
    line = " ".join(shown.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _is_shown(character: str) -> bool:
    return character == "\u200d" or not unicodedata.category(character).startswith("C")  # a joiner makes emoji


def _heading(milestone: Milestone) -> str:
    days = _count(milestone.retention_days, "day", "days")
    if milestone.status == "started":
        return f"fetching {days} of history"
    if milestone.status == "failed":
        return "the history could not be fetched"
    failed, total = milestone.failed_repositories, milestone.total_repositories
    if failed:
        return f"history fetched, {failed} of {_count(total, 'repository', 'repositories')} failed"
    if milestone.unshown:
        return f"history complete, {how_many(milestone.unshown)}"
    return f"{days} of history fetched" if total else "no repositories to fetch yet"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
