"""Reads from the stand-in's log what GitHub was asked, and which threads it has shown."""

from collections import Counter

from sandbox.github.exchange.requests import Entry
from tests.support.backfill.whole import PULLS_AND_ISSUES

THREADS = (*PULLS_AND_ISSUES, "discussions")
PAGES = ("PullRequests", "Issues", "Discussions")


def threads_shown(entries: list[Entry]) -> Counter[tuple[str, str | None]]:
    """Returns how often each page of whole threads was requested."""
    return Counter((entry.operation, entry.after) for entry in entries if entry.operation in PAGES)


def questions(entries: list[Entry]) -> list[tuple[str, str]]:
    """Returns operation, or REST route, of every request except those that look up a repository's present name."""
    asked = [(entry.operation or entry.path.partition("?")[0].rpartition("/")[2], entry.path) for entry in entries]
    return [each for each in asked if not each[1].startswith("/repositories/") or each[1].count("/") > 2]
