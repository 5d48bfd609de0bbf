"""`starter.py reconcile`."""

import sys

import logs
import settings
import temporal
from cli.arguments import Switch
from errors import BadInput
from polar import reconciliation
from polar.api import PolarApi
from polar.reconciliation import Report
from reconciler.loop import Reconciler, lost
from schema.rights import check_rights
from store.database import Database


async def reconcile(*, dry_run: Switch = False, force: Switch = False) -> int:
    """Compare our add-ons with the active subscriptions at Polar. Print and repair every difference.

    Exit code 1: too many add-ons would have ended, so they were kept (see --force).

    Parameters
    ----------
    dry_run
        Print the differences, and change nothing.
    force
        End add-ons without an active subscription at Polar, even if they are more than a tenth of all active add-ons.
    """
    polar, at = settings.load(settings.PolarApi), settings.load(settings.Database)
    queue = settings.load(settings.Temporal).temporal_task_queue
    if polar.token is None:
        raise BadInput("POLAR_ACCESS_TOKEN", "missing: Polar is not asked without it")
    logs.register_secret(polar.token)
    products = polar.polar_retention_products
    async with Database(at.database_url) as database, PolarApi(polar.polar_api_url, polar.token) as api:
        async with database.transaction() as connection:
            await check_rights(connection)
        report = await reconciliation.reconcile(api, database, products, dry_run=dry_run, force=force)
        for line in report.lines():
            print(logs.redact(line))
        print(_summary(report, dry_run=dry_run), flush=True)
        client = await temporal.connect()  # now, not before: add-ons are repaired while Temporal is away
        for line in await lost(client, database):
            print(line, flush=True)
        if not dry_run:
            # Jobs that began or stop are told at once, too, and workspaces that came or went are followed.
            await Reconciler(database, task_queue=queue, client=client).reconcile()
    if report.refused:
        print(f"starter: {len(report.refused)} add-ons were not ended without --force", file=sys.stderr)
    return 1 if report.refused else 0


def _summary(report: Report, *, dry_run: bool) -> str:
    words = [
        f"{report.listed} active subscriptions at Polar, {report.active} active add-ons here",
        f"{len(report.differences)} differences",
    ]
    if dry_run:
        words += [f"{report.failed_events} failed deliveries", "nothing was changed (--dry-run)"]
    else:
        words += [
            f"{report.repaired} repaired",
            f"{report.redelivered} of {report.failed_events} deliveries asked for again",
        ]
        words += [f"{report.forgotten} old deliveries forgotten"] if report.forgotten else []
    return "; ".join(words)
