"""What must be true once all is over, as differences in words: rows, jobs, notifications, and what was paid for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sandbox.github.exchange.requests import Entry
from sandbox.github.world.repositories import Repository
from tests.support.backfill.kills import key
from tests.support.chaos.system import System
from tests.support.truth import check

PAGES = {"PullRequests": "pull_requests", "Issues": "issues", "Discussions": "discussions"}
IN_FLIGHT = 2
"""Requests of a sweep that nobody may have committed when it is interrupted: the last page, and the one asked ahead."""


async def rows(system: System, repositories: Sequence[Repository]) -> list[str]:
    """Whether every table holds of each repository what GitHub has."""
    found = []
    for each in repositories:
        try:
            await check(system.dsn, each)
        except AssertionError as error:
            found.append(f"{each.name_with_owner}: {str(error)[:1500]}")
    return found


async def jobs(system: System) -> list[str]:
    """Whether each job, its repositories and its sweeps have ended, and the job counts them rightly."""
    found = []
    for job in await system.rows(
        """
        select j.*, (select count(*) from workspace_backfill_progress p where p.backfill_job_id = j.id) as total,
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
    ):
        about = f"job {job['id']} ({job['status']})"
        if job["status"] not in ("completed", "failed", "canceled"):
            found.append(f"{about}: has not ended")
        if (job["total_repositories"], job["completed_repositories"], job["failed_repositories"]) != (
            job["total"],
            job["completed"],
            job["failed"],
        ):
            found.append(f"{about}: its counts are not those of its repositories")
        for what in ("open", "sweeps_open", "parts"):
            if job[what]:
                found.append(f"{about}: {job[what]} {what}")
        if job["completed_at"] is None:
            found.append(f"{about}: no completed_at")
        if job["status"] != "canceled" and job["error_message"]:
            details = (job["error_details"] or [])[-3:]
            found.append(f"{about}: {job['error_message']}: {[each.get('message') for each in details]}")
    for row in await system.rows(
        "select distinct error ->> 'code' as code, error ->> 'message' as message from backfill_sweeps"
        " where error ->> 'code' = 'bug'"
    ):
        found.append(f"a bug: {row['message']}")
    return found


async def notifications(system: System) -> list[str]:
    """Whether the owner was told of each attempt's beginning and end once, and of nothing else."""
    found = []
    for row in await system.rows(
        """
        select j.id, j.status, j.attempt,
          (select count(*) from notifications n where n.operation_id = j.id::text and n.status = 'started') as started,
          (select count(*) from notifications n
           where n.operation_id = j.id::text and n.status in ('completed', 'failed')) as ended
        from workspace_backfill_jobs j
        """
    ):
        about = f"job {row['id']} ({row['status']}, attempt {row['attempt']})"
        attempts = row["attempt"] + 1
        if not 0 < row["started"] <= attempts:
            found.append(f"{about}: told of {row['started']} beginnings")
        if row["ended"] > attempts or (row["status"] != "canceled" and not row["ended"]):
            found.append(f"{about}: told of {row['ended']} ends")
    return found


async def paid_twice(
    system: System, log: Sequence[Entry], began: float, lost: Sequence[tuple[float, float]]
) -> list[str]:
    """Pages that were asked for again although a commit had them.

    A sweep is held under one lease after the other. Of what was asked for under one of them all but the last two was
    committed when it ended, unless the answer was lost on its way (`lost`: when answers were).
    """
    leases: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for row in await system.rows(
        """
        select full_name, data_type, min(at) as at from chaos_leases l join repositories r on r.id = l.repository_id
        group by backfill_job_id, full_name, data_type, lease_token order by 3
        """
    ):
        leases[row["full_name"], row["data_type"]].append(row["at"])
    found = []
    for (name, data_type), entries in _pages(log).items():
        lives: dict[int, list[Entry]] = defaultdict(list)
        for entry in entries:
            at = began + entry.started
            lives[sum(lease.timestamp() <= at for lease in leases[name, data_type])].append(entry)
        paid: set[bytes] = set()
        for number in sorted(lives):
            for entry in lives[number]:
                if key(entry) in paid:
                    found.append(f"paid twice: {entry.operation} of {name} after {entry.after}, lease {number}")
            paid |= {
                key(entry)
                for entry in lives[number][:-IN_FLIGHT]
                if entry.status == 200 and not entry.errors and not entry.fault and not _is_lost(entry, lost)
            }
    return found


def _pages(log: Sequence[Entry]) -> dict[tuple[str, str], list[Entry]]:
    found: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in sorted(log, key=lambda each: each.sequence):
        # A later job begins at the first page again.
        if entry.operation in PAGES and entry.after is not None:
            of = f"{entry.variables['owner']}/{entry.variables['name']}", PAGES[entry.operation]
            found[of].append(entry)
    return found


def _is_lost(entry: Entry, lost: Sequence[tuple[float, float]]) -> bool:
    return any(begin <= entry.started + entry.seconds + 1 and entry.started <= end for begin, end in lost)


def faults(kinds: Iterable[str], done: Mapping[Any, int]) -> list[str]:
    """Whether each kind of fault has happened."""
    return [f"the fault did not happen: {kind}" for kind in sorted(set(kinds)) if not done.get(kind)]
