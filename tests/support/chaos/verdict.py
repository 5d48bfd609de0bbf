"""The verdict at the end: everything that is wrong, in words, with rows, jobs, notifications, and what was paid for."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from embedding.batches import MOST_TEXTS, TEXT_TOKENS
from sandbox.embeddings import Model
from sandbox.github.exchange.requests import Entry
from sandbox.github.world.repositories import Repository
from tests.support.chaos.system import System
from tests.support.truth import check

PAGES = {"PullRequests": "pull_requests", "Issues": "issues", "Discussions": "discussions"}
IN_FLIGHT = 2
"""Requests of a sweep that are under way at once, at most: the next page, and the one asked ahead."""
ROUNDED = 1e-4
"""Greatest difference of a vector's number, as it is stored and as it was."""


async def rows(system: System, repositories: Sequence[Repository]) -> list[str]:
    """Returns, for each repository, the differences between every table and what GitHub has."""
    found = []
    for each in repositories:
        try:
            await check(system.dsn, each)
        except AssertionError as error:
            found.append(f"{each.name_with_owner}: {str(error)[:1500]}")
    return found


async def jobs(system: System) -> list[str]:
    """Returns what is wrong with jobs: each job, its repositories and its sweeps have to have ended, with the right
    counts.
    """
    found = []
    for job in await system.rows(JOBS):
        found += of_job(dict(job))
    for row in await system.rows(BUGS):
        found.append(f"a bug: {row['message']}")
    return found


JOBS = """
select j.*,
  (select count(*) from workspace_backfill_progress p where p.backfill_job_id = j.id) as total,
  (select count(*) from workspace_backfill_progress p
    where p.backfill_job_id = j.id and p.status in ('completed', 'skipped')) as completed,
  (select count(*) from workspace_backfill_progress p
    where p.backfill_job_id = j.id and p.status = 'failed') as failed,
  (select count(*) from workspace_backfill_progress p
    where p.backfill_job_id = j.id and p.status in ('pending', 'in_progress')) as open,
  (select count(*) from backfill_sweeps s
    where s.backfill_job_id = j.id and s.status in ('pending', 'in_progress')) as sweeps_open,
  (select count(*) from backfill_parts s where s.backfill_job_id = j.id and j.status = 'completed') as parts
from workspace_backfill_jobs j
"""
BUGS = """
select distinct error ->> 'message' as message from backfill_sweeps where error ->> 'code' = 'bug'
"""
TOLD = """
select j.id, j.status, j.attempt,
  (select count(*) from notifications n where n.operation_id = j.id::text and n.status = 'started') as started,
  (select count(*) from notifications n
   where n.operation_id = j.id::text and n.status in ('completed', 'failed')) as ended
from workspace_backfill_jobs j
"""


def of_job(job: Mapping[str, Any]) -> list[str]:
    """Returns what is wrong with a job, which is a row of the query `JOBS`."""
    found = []
    about = f"job {job['id']} ({job['status']})"
    if job["status"] not in ("completed", "failed", "canceled"):
        found.append(f"{about}: has not ended")
    told = job["total_repositories"], job["completed_repositories"], job["failed_repositories"]
    if told != (job["total"], job["completed"], job["failed"]):
        found.append(f"{about}: its counts are not those of its repositories")
    for what in ("open", "sweeps_open", "parts"):
        if job[what]:
            found.append(f"{about}: {job[what]} {what}")
    if job["completed_at"] is None:
        found.append(f"{about}: no completed_at")
    if job["status"] != "canceled" and job["error_message"]:
        details = (job["error_details"] or [])[-3:]
        found.append(f"{about}: {job['error_message']}: {[each.get('message') for each in details]}")
    return found


async def notifications(system: System) -> list[str]:
    """Returns what is wrong with notifications: the owner is told of each attempt's beginning and end once, and of
    nothing else.
    """
    return [each for job in await system.rows(TOLD) for each in told_of(dict(job))]


def told_of(job: Mapping[str, Any]) -> list[str]:
    """Returns what is wrong with the notifications of a job, which is a row of the query `TOLD`."""
    found = []
    about = f"job {job['id']} ({job['status']}, attempt {job['attempt']})"
    attempts = job["attempt"] + 1
    if not 0 < job["started"] <= attempts:
        found.append(f"{about}: told of {job['started']} beginnings")
    if job["ended"] > attempts or (job["status"] != "canceled" and not job["ended"]):
        found.append(f"{about}: told of {job['ended']} ends")
    return found


Type = tuple[str, str]
"""A repository's full name and a data type."""


@dataclass
class Committed:
    """The commits and takeovers of one data type of one repository, which the database recorded."""

    pages: dict[str, float] = field(default_factory=dict)
    """Cursor -> when the page behind it was first committed, in seconds since the epoch."""
    takeovers: int = 0
    """How often a worker took over the sweep from another one that had been killed, or frozen."""


async def committed(system: System) -> Mapping[Type, Committed]:
    found: dict[Type, Committed] = defaultdict(Committed)
    for row in await system.rows(
        # What a canceled sweep stored is not covered, because nothing proves it: a later job reads it again.
        "select full_name, data_type, cursor, min(at) as at from chaos_pages p"
        " join repositories r on r.id = p.repository_id"
        " join backfill_sweeps s using (backfill_job_id, repository_id, data_type)"
        " where cursor is not null and s.status <> 'canceled' group by 1, 2, 3"
    ):
        found[row["full_name"], row["data_type"]].pages[row["cursor"]] = row["at"].timestamp()
    for row in await system.rows(
        "select full_name, data_type, count(*) as number from chaos_takeovers t"
        " join repositories r on r.id = t.repository_id group by 1, 2"
    ):
        found[row["full_name"], row["data_type"]].takeovers = row["number"]
    return found


def paid_twice(committed: Mapping[Type, Committed], log: Sequence[Entry], began: float) -> Iterator[str]:
    """Yields the requests for pages that were committed before. `began` is the time at which the log's clock was zero,
    in seconds since the epoch.

    A worker that was frozen learns only by a commit that another one took its sweep, and may request `IN_FLIGHT` pages
    before.
    """
    again: dict[Type, list[Entry]] = defaultdict(list)
    for entry in log:
        if entry.operation in PAGES and entry.after is not None:
            of = f"{entry.variables['owner']}/{entry.variables['name']}", PAGES[entry.operation]
            at = committed[of].pages.get(entry.after) if of in committed else None
            if at is not None and began + entry.started > at:
                again[of].append(entry)
    for of, entries in again.items():
        if len(entries) > IN_FLIGHT * committed[of].takeovers:
            for entry in entries:
                ago = began + entry.started - committed[of].pages[entry.after or ""]
                yield f"paid twice: {entry.operation} of {of[0]} after {entry.after}, {ago:.1f} s after its commit"


async def embeddings(system: System) -> list[str]:
    """Returns what is wrong with embeddings: each thread must have the vector of its text, and no text may be paid for
    again after the commit of its vector.
    """
    if system.embeddings is None:
        return []
    rows = await system.rows(
        " union all ".join(
            f"select full_name || ' ' || number as name, title, body, embedding::text as vector from {table} t"
            f" join repositories r on r.id = t.repository_id where gone_at is null"
            for table in ("pull_requests", "issues", "discussions")
        )
    )
    threads = [dict(row) for row in rows]
    [row] = await system.rows("select count(*) as number from chaos_takeovers where data_type = 'embeddings'")
    bought = Counter(text for each in system.embeddings.requests if each.status == 200 for text in each.texts)
    return [*of_vectors(threads, Model()), *bought_twice(threads, bought, row["number"])]


def _text(thread: Mapping[str, Any]) -> str:
    return f"{thread['title']}\n\n{thread['body'] or ''}".strip()


def of_vectors(threads: Iterable[Mapping[str, Any]], model: Model) -> Iterator[str]:
    """Yields a line for each thread that has no vector, or the vector of another text."""
    for thread in threads:
        if thread["vector"] is None:
            yield f"{thread['name']} is not embedded"
            continue
        found = [float(each) for each in thread["vector"].strip("[]").split(",")]
        tokens = model.tokens(_text(thread))
        # Of a longer text the start is embedded, which is cut by OpenAI's tokens and not by these.
        if len(tokens) > TEXT_TOKENS:
            continue
        wanted = model.vector(tokens, len(found))
        if max(abs(wanted - found), default=0) > ROUNDED:
            yield f"{thread['name']} has the vector of another text"


def bought_twice(threads: Iterable[Mapping[str, Any]], bought: Mapping[str, int], takeovers: int) -> list[str]:
    """Returns a line if more vectors were paid for than there are threads. Texts whose request was in progress when
    another worker took over the sweep may be paid for again.
    """
    threads_of = Counter(map(_text, threads))
    again = sum(max(0, bought.get(text, 0) - number) for text, number in threads_of.items())
    if again > takeovers * MOST_TEXTS:
        return [f"{again} texts were embedded again; {takeovers} sweeps were taken over"]
    return []


def faults(kinds: Iterable[str], done: Mapping[Any, int]) -> list[str]:
    """Returns the kinds of faults that have not happened."""
    return [f"the fault did not happen: {kind}" for kind in sorted(set(kinds)) if not done.get(kind)]
