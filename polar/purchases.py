"""What a subscription's event means here: an add-on, more retention, and one job for each workspace of the buyer."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from errors import RetryNow
from polar.events import Subscription, SubscriptionEvent
from store import addons, jobs
from store.addons import Buyer, Purchase
from store.database import Connection


@dataclass(frozen=True)
class Recorded:
    """What came of an event; `notes` say in words what a reader of the log should know."""

    addon_id: UUID | None = None
    job_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


async def record(connection: Connection, event: SubscriptionEvent, products: Mapping[str, int]) -> Recorded:
    """Records the event in the caller's transaction; doing it again changes nothing.

    Raises `RetryNow` with code `unknown_buyer` while nobody here is the buyer.
    """
    subscription = event.subscription
    days = products.get(subscription.product_id)
    status = subscription.addon_status
    if days is None:
        # The days stay as they were bought while the product does: it may only be missing from the setting.
        product = await addons.known(connection, subscription.id)
        if product is None:
            return Recorded(notes=("the product is not one that extends retention",))
        if product != subscription.product_id and status == "active":
            status = "inactive"
    buyer, notes = await _buyer(connection, subscription)
    purchase = Purchase(
        polar_subscription_id=subscription.id,
        product_id=subscription.product_id,
        retention_days=days,
        status=status,
        at=event.at,
        started_at=subscription.started_at,
        expires_at=subscription.expires_at,
        metadata={
            "polar_event": event.type,
            "polar_status": subscription.status,
            "polar_customer_id": subscription.customer_id,
            "cancel_at_period_end": subscription.cancel_at_period_end,
        },
    )
    addon = await addons.record(connection, buyer, purchase)
    if addon is None:
        return Recorded(notes=(*notes, "a newer event of this subscription was recorded before"))
    if addon.status != "active":
        return Recorded(addon_id=addon.id, notes=notes)
    await addons.raise_retention(connection, buyer, addon.retention_days)
    job_ids = await jobs.create_bought(
        connection, buyer, addon, purchase_key=f"{subscription.id}:{addon.retention_days}"
    )
    return Recorded(addon_id=addon.id, job_ids=job_ids, notes=notes)


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
