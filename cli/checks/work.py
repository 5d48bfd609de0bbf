"""Checks whether stored work stands still: jobs, Polar's deliveries, notifications."""

from collections.abc import AsyncIterator, Sequence

import settings
import temporal
from cli.checks.finding import Finding, bad_setting, failure, ok, warning
from errors import BackfillError, BadInput
from reconciler.loop import lost
from store import deliveries, health, outbox
from store.database import Database

MOST = 1_000


async def examine(database: Database, work: health.Work) -> AsyncIterator[Finding]:
    async with database.transaction() as connection:
        unprocessed = await deliveries.unprocessed(connection, limit=MOST)
        unsent = await outbox.unsent(connection, limit=MOST)
    for each in await _jobs(database, work):
        yield each
    tried = [each for each in unprocessed if each.attempts and each.error]
    if tried:
        what = f"{_number(tried)} of Polar's deliveries wait, the oldest because of {tried[0].error}"
        yield failure("deliveries", what, "see starter.py list --unprocessed; they are tried again by themselves")
    elif unprocessed:
        what = f"{_number(unprocessed)} of Polar's deliveries wait for their first try"
        yield warning("deliveries", what, "start webhook.py: it works them off")
    else:
        yield ok("deliveries", "all that Polar sent is done")
    yield _notifications(unsent)


def _notifications(unsent: Sequence[outbox.Unsent]) -> Finding:
    given_up = [each for each in unsent if each.status != "pending"]
    trouble = given_up or [each for each in unsent if each.attempts]
    if trouble:
        words = "were given up" if given_up else "are tried again"
        what = f"{_number(trouble)} notifications {words}, the latest because of {trouble[0].error}"
        return warning("notifications", what, "see starter.py list --unsent, and check SMTP_URL and NOTIFY_URL")
    try:
        not_set = _channels_not_set()
    except BadInput as error:
        return bad_setting("notifications", error)
    due = [each for each in unsent if each.channel not in not_set]
    if due:
        what = f"{_number(due)} notifications wait to be sent"
        return warning("notifications", what, "start webhook.py: it sends them")
    if unsent:
        names = sorted({not_set[each.channel] for each in unsent}, reverse=True)
        which = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
        return ok("notifications", f"{_number(unsent)} are kept for three days, as {which} not set here")
    return ok("notifications", "all are sent")


def _channels_not_set() -> dict[str, str]:
    """Returns the channels of notifications that no setting asks for, each with the name of its setting."""
    not_set = {}
    if settings.load(settings.Mail).server is None:
        not_set["mail"] = "SMTP_URL"
    if settings.load(settings.Notify).notify_url is None:
        not_set["webhook"] = "NOTIFY_URL"
    return not_set


async def _jobs(database: Database, work: health.Work) -> list[Finding]:
    found = []
    if work.unheard:
        what = f"Temporal has not heard of {_named(work.unheard)}"
        found.append(failure("jobs", what, "start webhook.py or a worker: each tells Temporal what it has not heard"))
    if work.quiet:
        what = f"nothing was written for an hour of {_named(work.quiet)}, and nothing waits"
        found.append(failure("jobs", what, "see starter.py status JOB, and the logs of the workers"))
    try:
        without = await lost(await temporal.connect(), database)
    except BackfillError:
        without = []  # what is wrong with Temporal is a line of its own
    to_do = "wait for the reconciler to mark it failed, then starter.py retry JOB"
    found += [failure("jobs", each, to_do) for each in without]
    return found or [ok("jobs", f"{work.open_jobs} open, none stuck")]


def _number(of: Sequence[object]) -> str:
    return f"{len(of)}" if len(of) < MOST else f"{MOST} or more"


def _named(jobs: Sequence[str]) -> str:
    return f"{'job' if len(jobs) == 1 else 'jobs'} {', '.join(jobs[:3])}" + (" and more" if len(jobs) > 3 else "")
