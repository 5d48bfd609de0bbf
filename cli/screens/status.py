"""The output of `status`: the summary, and every data type of every repository."""

from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

import unshown
from cli import words
from cli.screens import waits
from cli.screens.repositories import in_order
from cli.screens.status_word import STYLES, status_word
from cli.screens.summary import summary, unshown_lines
from progress.sentences import type_name
from progress.views import JobView, RepositoryView, TypeView

ROOMY = 160
"""Least width, in columns, of a screen that shows notes in the rows of a table."""
NAME = 60
"""Columns for a repository's name."""
UNSHOWN = 12


def report(job: JobView, width: int) -> Iterator[RenderableType]:
    """Yields the output of `status`: the summary, then every type of every repository. Failed repositories and failed
    types come first.
    """
    yield from summary(job, width)
    yield from _table(job) if width >= ROOMY else _blocks(job)
    if job.unshown:
        yield Text()
    yield from (Text(line) for line in unshown_lines(job, UNSHOWN, width))


def _table(job: JobView) -> Iterator[RenderableType]:
    table = Table("repository", "data type", "status", "stored", "expected", "as of", "why", box=SIMPLE)
    for column in table.columns[:-1]:
        column.no_wrap = True
    for column in table.columns[3:5]:
        column.justify = "right"
    for repository in in_order(job):
        for its in _in_order(repository):
            table.add_row(
                words.cut_middle(repository.full_name, NAME),
                type_name(its.data_type),
                status_word(its.status),
                f"{its.stored:,}",
                "" if its.expected is None else f"{its.expected:,}",
                words.date_and_time(its.as_of) if its.as_of else "",
                note(repository, its),
            )
    yield table


def _blocks(job: JobView) -> Iterator[RenderableType]:
    """Yields the lines of a block for each repository, with notes below the numbers. Used if the screen is too narrow
    for a table.
    """
    for repository in in_order(job):
        yield Text()
        yield Text(repository.full_name, style="bold")
        for its in _in_order(repository):
            of = f" of {its.expected:,}" if its.expected is not None else ""
            line = Text(f"  {type_name(its.data_type):14}")
            line.append_text(status_word(its.status)).append(f"{'':{13 - len(its.status)}}{its.stored:,}{of}")
            yield line
            if below := note(repository, its):
                style = (
                    "yellow"
                    if waits.of_type(repository, its)
                    else STYLES["failed"]
                    if its.status == "failed"
                    else "dim"
                )
                yield Padding(Text(below, style=style), (0, 0, 0, 4))


def _in_order(repository: RepositoryView) -> list[TypeView]:
    """Returns the repository's types, failed ones first."""
    return sorted(repository.types, key=lambda its: its.status != "failed")


def note(repository: RepositoryView, its: TypeView) -> str:
    """Returns one line about a type: why it waits or has failed, or why it is complete. Returns an empty text if none
    of this applies.
    """
    if waiting := waits.of_type(repository, its):
        return waiting
    if its.status == "failed" and not its.error:
        return repository.error or ""
    if its.status == "completed" and its.proof:
        return "; ".join(filter(None, [unshown.complete(its.unshown), _proof(its.proof), *its.notes]))
    if its.error is None:
        return ""
    to_do = its.error.what_to_do if its.status == "failed" else its.error.action
    return f"{its.error.code}: {its.error.message}" + (f" ({to_do})" if to_do else "")


def _proof(proof: dict[str, Any]) -> str:
    """Returns in a few words what proves that a type is complete."""
    by = str(proof.get("proved_by", ""))
    if "threads_github" in proof and by == "count":
        return f"proved by count: {proof['threads_stored']} of GitHub's {proof['threads_github']}"
    return f"proved by {by}" if by else ""
