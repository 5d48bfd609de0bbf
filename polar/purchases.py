"""Applies Polar's events to the add-on, to the retention of the buyer's workspaces, and to the jobs of these
workspaces.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from errors import RetryNow
from polar import addon_life, events
from polar.addon_life import Change, Known, Snapshot
from polar.events import Subscription, SubscriptionEvent
from store import addon_jobs, addons, deliveries
from store.addon_jobs import WorkspaceRepository
from store.addons import AddonRow, Buyer
from store.database import Connection


@dataclass(frozen=True)
class Recorded:
    """The changes that an event has made. `notes` are remarks for the log."""

    addon_id: UUID | None = None
    job_ids: tuple[str, ...] = ()
    """Jobs that were created or retried."""
    stopped: tuple[str, ...] = ()
    """Jobs that end with the add-on."""
    notes: tuple[str, ...] = ()
    checked_to: WorkspaceRepository | None = None
    """For `follow`: where the search for added repositories stopped; None at the end."""


async def record(
    connection: Connection, event: SubscriptionEvent, products: Mapping[str, int], now: datetime
) -> Recorded:
    """Applies the event in the caller's transaction. Applying the same event again changes nothing.

    Raises `RetryNow` (unknown_buyer) as long as the host's tables do not have the buyer.
    """
    subscription = event.subscription
    if subscription.product_id not in products and await addons.known(connection, subscription.id) is None:
        return Recorded(notes=("the product is not one that extends retention",))
    buyer, notes = await _buyer(connection, subscription)
    await addons.lock(connection, buyer)
    row = await addons.known(connection, subscription.id)
    known = _known(row) if row else None
    story = [addon_life.snapshot(event), *([] if row else await _left_alone(connection, subscription.id))]
    change = addon_life.advance_all(known, story, products, now)
    if change.known is None or change.known == known:
        return Recorded(notes=(*notes, "nothing new"))
    addon_id = await addons.record(connection, buyer, subscription.id, _row(change.known, products))
    settled = await settle(connection, buyer.app_user_id)
    created = await _start(connection, buyer, subscription.id, addon_id, change)
    return Recorded(addon_id, (*settled.job_ids, *created), settled.stopped, notes)


async def _left_alone(connection: Connection, polar_subscription_id: str) -> list[Snapshot]:
    """Returns earlier events of a subscription that has no add-on yet. These events changed nothing, because the
    subscription's product was not in the setting when they arrived.
    """
    kept = await deliveries.finished_of(connection, polar_subscription_id)
    read = [events.read(each.payload, each.received_at) for each in kept]
    return [addon_life.snapshot(each) for each in read if each is not None]


async def settle(connection: Connection, owner: UUID | None) -> Recorded:
    """Sets the retention of each workspace to the days that the best active add-on of its owner grants, and stops or
    resumes jobs accordingly. `owner` is an `app_users.id`. If `owner` is None, the workspaces of every owner are
    updated.
    """
    await addons.update_retention(connection, owner)
    stopped = await addon_jobs.stop_unpaid(connection, owner)
    return Recorded(job_ids=await addon_jobs.resume_paid(connection, owner), stopped=stopped)


async def _start(
    connection: Connection, buyer: Buyer, polar_subscription_id: str, addon_id: UUID, change: Change
) -> tuple[str, ...]:
    if change.do != "start" or change.known is None or change.known.retention_days is None:
        return ()
    days = change.known.retention_days
    return await addon_jobs.create_bought(
        connection,
        buyer.app_user_id,
        addon_id=addon_id,
        retention_days=days,
        purchase_key=f"{polar_subscription_id}:{days}",
    )


async def known(connection: Connection) -> dict[str, Known]:
    """Returns the stored facts about every add-on, by the id of its Polar subscription."""
    return {each: _known(row) for each, row in (await addons.all_known(connection)).items()}


async def end_unseen(connection: Connection, polar_subscription_id: str, before: Known) -> Recorded:
    """Ends an add-on whose subscription Polar no longer shows. If the stored add-on differs from `before`, it has
    changed meanwhile, and nothing is done.

    The newest event stays stored. If Polar shows the subscription again, the add-on becomes active again.
    """
    buyer = await addons.find_buyer(connection, [], polar_customer_id=None, polar_subscription_id=polar_subscription_id)
    if buyer is not None:
        await addons.lock(connection, buyer)
    row = await addons.known(connection, polar_subscription_id)
    if row is None or _known(row) != before:
        return Recorded(notes=("changed meanwhile",))
    await addons.expire(connection, polar_subscription_id, "canceled")
    return await settle(connection, buyer.app_user_id) if buyer is not None else Recorded()


async def follow(
    connection: Connection, now: datetime, checked_to: WorkspaceRepository | None = None
) -> Recorded | None:
    """Applies the changes for which Polar sends no event: add-ons whose period is over, added or removed workspaces and
    repositories, and workspaces with a new owner. Returns None if another process is changing add-ons.

    `checked_to` is the `Recorded.checked_to` of the last call, where the search for added repositories resumes. If
    `checked_to` is None, the search starts at the beginning.
    """
    if not await addons.lock_all(connection):
        return None
    for polar_subscription_id, row in (await addons.due(connection, now)).items():
        change = addon_life.lapse(_known(row), now)
        if change.do == "stop" and change.known is not None:
            await addons.expire(connection, polar_subscription_id, change.known.status)
    settled = await settle(connection, None)
    added, next_up = await addon_jobs.create_added(connection, checked_to)
    return Recorded(job_ids=(*settled.job_ids, *added), stopped=settled.stopped, checked_to=next_up)


def _known(row: AddonRow) -> Known:
    """Returns the stored facts about an add-on, from its row. Rows that the first release wrote lack some of the
    metadata.
    """
    told = {"current_period_end": row.expires_at, **row.metadata, "at": row.at, "product_id": row.product_id}
    paid_at, unpaid_at = (row.metadata.get(name) for name in ("paid_at", "unpaid_at"))
    return Known(
        told=Snapshot.model_validate(told),
        status=row.status,
        retention_days=row.retention_days,
        purchased_at=row.purchased_at,
        activated_at=row.activated_at,
        paid_at=datetime.fromisoformat(paid_at) if paid_at else row.activated_at,
        unpaid_at=datetime.fromisoformat(unpaid_at) if unpaid_at else None,
    )


def _row(known: Known, products: Mapping[str, int]) -> AddonRow:
    pending = known.told.pending_update
    pending_days = products.get(pending.product_id or "") if pending else None
    return AddonRow(
        status=known.status,
        product_id=known.told.product_id,
        at=known.told.at,
        retention_days=known.retention_days,
        purchased_at=known.purchased_at,
        activated_at=known.activated_at,
        expires_at=known.told.expires_at,
        metadata={
            **known.told.to_metadata(),
            "pending_days": pending_days,
            "paid_at": known.paid_at,
            "unpaid_at": known.unpaid_at,
        },
    )


async def _buyer(connection: Connection, subscription: Subscription) -> tuple[Buyer, tuple[str, ...]]:
    claims: list[UUID] = []
    notes: list[str] = []
    for place, claim in subscription.buyer_claims:
        try:
            claims.extend([UUID(claim)] if claim else [])
        except ValueError:
            notes.append(f"{place} is not a uuid")
    buyer = await addons.find_buyer(
        connection,
        claims,
        polar_customer_id=subscription.customer_id,
        polar_subscription_id=subscription.id,
    )
    if buyer is None:
        reasons = "; ".join([*notes, "neither metadata.user_id, customer.external_id nor customer_id is a user here"])
        raise RetryNow("unknown_buyer", reasons, "attempted again until the user appears")
    return buyer, tuple(notes)
