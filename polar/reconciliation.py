"""Repairs the effects of missed webhooks: reads Polar's subscriptions, compares them with the stored add-ons, and
corrects the add-ons.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from errors import BackfillError, BadInput, PartOver, RetryNow, Unreachable
from messages import Reconciled
from polar import addon_life, comparison, purchases
from polar.addon_life import Known
from polar.api import PolarApi
from polar.comparison import Difference
from polar.events import Subscription
from store import deliveries
from store.database import Connection, Database

DELIVERIES_KEPT = timedelta(days=90)
FAILED_SINCE = timedelta(days=14)
"""Events that failed longer ago are not redelivered, since the list of subscriptions shows their effect."""
MOST_REDELIVERED = 500
"""Events redelivered in one run. Polar sends each at once, and disables the endpoint if many fail."""
LINES = 50
LINE_LENGTH = 500

log = structlog.get_logger(__name__)


@dataclass
class Report:
    """The result of reconciling: the differences that were found, and how many were repaired. After a dry run, the
    differences are listed and nothing was repaired. `trouble` has a line for everything that could not be done.
    """

    now: datetime
    listed: int = 0
    active: int = 0
    differences: list[Difference] = field(default_factory=list)
    repaired: int = 0
    refused: list[Difference] = field(default_factory=list)
    """Differences that would end add-ons, and were not applied because they are too many at once."""
    failed_events: int = 0
    redelivered: int = 0
    forgotten: int = 0
    trouble: list[str] = field(default_factory=list)
    job_ids: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Returns a line for every difference, followed by the lines of `trouble`."""
        return [*(f"{each.repair}: {each}" for each in self.differences), *self.trouble]

    def to_message(self) -> Reconciled:
        return Reconciled(
            listed=self.listed,
            active=self.active,
            differences=len(self.differences),
            repaired=self.repaired,
            refused=len(self.refused),
            redelivered=self.redelivered,
            forgotten=self.forgotten,
            said=[each[:LINE_LENGTH] for each in self.lines()[:LINES]],
        )


@dataclass(frozen=True)
class _Said:
    """Polar's answers. `told` are the subscriptions that Polar listed or returned by id. `unseen` holds the ids of
    stored subscriptions that Polar does not show.
    """

    told: list[Subscription]
    unseen: list[str]


async def reconcile(
    api: PolarApi,
    database: Database,
    products: Mapping[str, int],
    *,
    dry_run: bool = False,
    force: bool = False,
) -> Report:
    """Reads Polar's subscriptions and corrects the stored add-ons. Also asks Polar to deliver failed events again, and
    deletes old deliveries. A second call finds nothing more to correct.

    `force` lets more than a tenth of the active add-ons end at once. A dry run changes nothing, neither here nor at
    Polar. Raises `BadInput` if Polar does not accept the token. Raises `Unreachable` if Polar does not answer or the
    answer is unreadable. Nothing has changed if one of these two errors is raised.
    """
    report = Report(now=datetime.now(UTC))
    async with database.transaction() as connection:
        # Before Polar is asked: so Polar knows all of them. Those that lapse are none that Polar ends.
        known = {each: _lapsed(its, report.now) for each, its in (await purchases.known(connection)).items()}
    report.active = sum(its.status == "active" for its in known.values())
    said = await _ask(api, known, products, report, force=force)
    report.differences = comparison.compare(known, said.told, said.unseen, products, report.now)
    ending = [each for each in report.differences if each.repair == "end"]
    if not force and not comparison.may_end(len(ending), report.active):
        report.refused = ending
        report.trouble.append(
            f"{len(report.refused)} of {report.active} active add-ons would end, more than a tenth: none was ended."
            " If that is right, run starter.py reconcile --force"
        )
    for difference in report.differences:
        if not dry_run and not (report.refused and difference.repair == "end"):
            await _repair(database, difference, products, report)
    await _redeliver(api, database, report, dry_run=dry_run)
    if not dry_run:
        async with database.transaction() as connection:
            report.forgotten = await forget(connection)
    for line in report.lines():
        log.info("reconciled with Polar", difference=line, dry_run=dry_run)
    return report


def _lapsed(known: Known, now: datetime) -> Known:
    """Returns the add-on as `purchases.follow` will leave it: an active add-on whose last period is over becomes
    expired. Any other add-on is returned unchanged.
    """
    return addon_life.lapse(known, now).known or known if known.status == "active" else known


async def _ask(
    api: PolarApi, known: Mapping[str, Known], products: Mapping[str, int], report: Report, *, force: bool
) -> _Said:
    bought = {its.told.product_id for its in known.values() if its.status == "active"} - {""}
    listed = await api.active_subscriptions(products.keys() | bought)
    report.listed = len(listed.subscriptions)
    told, unseen = list(listed.subscriptions), list[str]()
    for each in sorted(listed.unreadable):
        report.trouble.append(f"{each}: Polar lists it in a shape that we do not know; it is left as it is")
    missing = comparison.unexplained(known, {each.id for each in told} | listed.unreadable, report.now)
    ending = comparison.ending(known, told, [], products, report.now)
    for number, each in enumerate(missing):
        if not force and not comparison.may_end(ending, report.active):
            # The brake holds whatever the rest may be: a wrong token need not be told so a thousand times.
            report.trouble.append(f"{len(missing) - number} more are not in Polar's list and were not asked for")
            break
        subscription = await api.subscription(each)
        one, none = ([subscription], []) if subscription is not None else ([], [each])
        told, unseen = told + one, unseen + none
        ending += comparison.ending(known, one, none, products, report.now)
    return _Said(told, unseen)


async def _repair(database: Database, difference: Difference, products: Mapping[str, int], report: Report) -> None:
    try:
        async with database.transaction() as connection:
            if difference.told is not None:
                recorded = await purchases.record(connection, difference.told, products, report.now)
            elif difference.before is not None:
                recorded = await purchases.end_unseen(connection, difference.polar_subscription_id, difference.before)
    except RetryNow as error:
        if error.code != "unknown_buyer":
            raise
        report.trouble.append(f"{difference.polar_subscription_id}: {error.message}")
        return
    report.repaired += 1
    report.job_ids.extend((*recorded.job_ids, *recorded.stopped))


async def _redeliver(api: PolarApi, database: Database, report: Report, *, dry_run: bool) -> None:
    """Asks Polar to deliver failed events again. This is done because the list of subscriptions shows only the last
    state, while the events show each change.
    """
    try:
        failed = await api.failed_events(report.now - FAILED_SINCE)
    except (PartOver, BadInput, Unreachable) as error:
        report.trouble.append(_not_asked("webhooks:read", error))
        return
    async with database.transaction() as connection:
        kept = await deliveries.kept(connection, failed)
    missing = [each for each in failed if each not in kept]
    report.failed_events = len(missing)
    for each in [] if dry_run else missing[:MOST_REDELIVERED]:
        try:
            await api.redeliver(each)
        except (PartOver, BadInput, Unreachable) as error:
            if error.code in ("gone", "refused"):
                report.trouble.append(f"event {each} cannot be delivered again: {error.message}")
                continue
            report.trouble.append(_not_asked("webhooks:write", error))
            return
        report.redelivered += 1


def _not_asked(scope: str, error: BackfillError) -> str:
    why = f"the token lacks the scope {scope}" if error.code == "forbidden" else error.message
    return f"what Polar could not deliver is not asked for again: {why}"


async def forget(connection: Connection) -> int:
    """Deletes deliveries older than 90 days, and returns how many were deleted. Unfinished deliveries among them are
    logged.
    """
    finished, lost = await deliveries.forget(connection, DELIVERIES_KEPT)
    for each in lost:
        log.warning("a delivery was never finished, and is forgotten", delivery=each.webhook_id, error=each.error)
    return finished + len(lost)
