"""The output of `watch` where the screen cannot be redrawn. It has one line for each change that matters."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import unshown
from cli import words
from cli.jobs import Look
from cli.rates import Rates
from cli.screens import waits
from progress.sentences import type_name
from progress.views import JobView, TypeView

STEP = 5.0
"""Percentage points between two lines on the job's progress."""
QUIET = timedelta(seconds=30)
"""Longest time between two lines on the job's progress while the job fetches."""


class _Progress(NamedTuple):
    state: str
    attempt: int
    step: int
    at: datetime


class Lines:
    """Compares each view of a job with the view before, and makes a line for each change that matters."""

    def __init__(self) -> None:
        self._rates = Rates()
        self._said: dict[str, str] = {}
        self._progress: _Progress | None = None
        self._away = False

    def of(self, look: Look) -> Iterator[str]:
        """Yields a line for each change since the previous call, for example `15:04:05 octo/a issues: completed, 30 of
        30, 4 comments`.
        """
        job = look.job
        if look.away_since is not None:
            if not self._away:
                yield f"{words.clock(look.away_since, seconds=True)} Postgres does not answer, and is asked again"
            self._away = True
            return
        at = words.clock(job.as_of, seconds=True)
        if self._away:
            yield f"{at} Postgres answers again"
        self._away = False
        self._rates.add(job)
        now = dict(_worth_a_line(job))
        for about, line in now.items():
            if self._said.get(about) != line:
                yield f"{at} {about}: {line}"
        for each in job.repositories:
            if each.full_name in self._said and each.full_name not in now and each.status == "in_progress":
                yield f"{at} {each.full_name}: goes on"
        self._said = now
        if self._is_due(job):
            yield f"{at} {_progress(job, self._rates)}"

    def _is_due(self, job: JobView) -> bool:
        """Returns whether a line on the job's progress is due, and if so, records that it was printed. A line is due
        after a change of the job's state, and after each further `STEP` percentage points. While the job fetches, a
        line is also due if the last such line is older than `QUIET`.
        """
        now = _Progress(job.headline.state, job.attempt, int((job.progress.percent or 0) // STEP), job.as_of)
        last = self._progress
        if last is not None and (now.state, now.attempt) == (last.state, last.attempt):
            quiet = job.as_of - last.at >= QUIET and now.state == "fetching"
            if now.step <= last.step and not quiet:
                return False
        self._progress = now
        return True


def _worth_a_line(job: JobView) -> Iterator[tuple[str, str]]:
    """Yields a key and a line for each type that has ended, and for each repository that has ended or waits. The line
    is printed if it differs from the line that the same key had before.
    """
    for repository in job.repositories:
        for its in repository.types:
            if its.status not in ("pending", "in_progress"):
                yield f"{repository.full_name} {type_name(its.data_type)}", _ended(its)
        if repository.status == "in_progress" and (waiting := waits.of_repository(repository)):
            yield repository.full_name, waiting
        elif repository.status not in ("pending", "in_progress"):
            yield repository.full_name, repository.status + (f": {repository.error}" if repository.error else "")


def _ended(its: TypeView) -> str:
    """Returns how a type ended, such as `failed, 20 of 30: gone: octo/b is gone → remove it`."""
    line = f"{its.status}, {amount(its)}"
    if its.status == "completed":
        return ": ".join(filter(None, [line, "; ".join(filter(None, [unshown.complete(its.unshown), *its.notes]))]))
    if its.error is None:
        return line
    to_do = its.error.what_to_do if its.status == "failed" else its.error.action
    return f"{line}: {its.error.code}: {its.error.message}" + (f" → {to_do}" if to_do else "")


def amount(its: TypeView) -> str:
    """Returns how much of a type is stored, such as `120 of 582, 30 reviews, 4 comments`."""
    stored = f"{its.stored} of {its.expected}" if its.expected is not None else str(its.stored)
    rest = [
        f"{count} {noun.replace('_', ' ')}" for noun, count in its.counts.items() if noun != its.data_type and count
    ]
    return ", ".join([stored, *rest])


def _progress(job: JobView, rates: Rates) -> str:
    """Returns the job's progress in one line."""
    parts = [words.say(job.headline, job.as_of)]
    if not job.ended:
        parts.append(f"{job.completed_repositories} of {job.total_repositories} repositories complete")
        if job.progress.expected:
            parts.append(f"{job.progress.stored:,} of {job.progress.expected:,} stored")
        if pace := words.rate(rates.rows):
            parts.append(f"{pace} rows".replace("/", " rows/").removesuffix(" rows"))
        if job.time_left is not None:
            parts.append(words.time_left(job.time_left))
    return f"{job.headline.state}: {', '.join(parts)}"
