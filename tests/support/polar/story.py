"""Stories of purchases: Polar's events in any order, and the state of the add-on after them."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from messages import AddonStatus
from polar import addon_life, events
from polar.addon_life import Known
from tests.support import shop

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FAR = datetime(2100, 1, 1, tzinfo=UTC)
WHATS: list[dict[str, Any]] = [
    {"kind": "subscription.created", "status": "incomplete"},
    {"kind": "subscription.created", "status": "trialing"},
    {"kind": "subscription.active"},
    {"kind": "subscription.updated", "product": shop.DECADE},
    {"kind": "subscription.cycled"},
    {"kind": "subscription.past_due", "status": "past_due"},
    {"kind": "subscription.canceled", "cancel_at_period_end": True, "ends_at": FAR.isoformat()},
    {"kind": "subscription.canceled", "cancel_at_period_end": True, "ends_at": AT.isoformat()},
    {"kind": "subscription.paused", "status": "paused"},
    {"kind": "subscription.resumed"},
    {"kind": "subscription.revoked", "status": "canceled", "ended_at": AT.isoformat()},
    {"kind": "subscription.updated", "product": "a plan"},
    {"kind": "order.paid"},
]


class Told(dict[str, Any]):
    """A payload whose repr is short, so that a failure can be read."""

    def __repr__(self) -> str:
        return f"{self['type']} {self['timestamp']}"


@st.composite
def told(draw: st.DrawFn, subscriptions: tuple[str, ...] = ("one", "two")) -> Told:
    """Draws an event of one of these subscriptions. Its buyer is filled in later."""
    what = dict(draw(st.sampled_from(WHATS)))
    at = AT + timedelta(hours=draw(st.integers(0, 9)))
    payload = shop.event(subscription=draw(st.sampled_from(subscriptions)), at=at, customer_id="c", **what)
    if payload["type"] == "order.paid":
        payload["data"] = {"id": "order", "subscription": payload["data"]}
    return Told(payload)


def said(payloads: Iterable[Told]) -> dict[str, Known]:
    """Returns the add-on of each subscription after these events, in any order."""
    now, known = datetime.now(UTC), dict[str, Known]()
    read = [event for each in payloads if (event := events.read(each, AT)) is not None]
    for one in sorted({event.subscription.id for event in read}):
        story = [addon_life.snapshot(event) for event in read if event.subscription.id == one]
        # Nothing is known of one before a product of ours was seen.
        story.sort(key=lambda each: each.product_id not in shop.PRODUCTS)
        if (it := addon_life.advance_all(None, story, shop.PRODUCTS, now).known) is not None:
            known[one] = it
    return known


def granted(known: dict[str, Known]) -> int:
    active: AddonStatus = "active"
    return max((it.retention_days or 0 for it in known.values() if it.status == active), default=0)


def assert_is(row: Mapping[str, Any], known: Known, user_id: uuid.UUID) -> None:
    """Checks that the add-on's row agrees with `known`."""
    assert (row["status"], row["retention_days"], row["addon_product_id"], row["last_event_at"]) == (
        known.status,
        known.retention_days,
        known.told.product_id,
        known.told.at,
    )
    assert (row["purchased_at"], row["activated_at"]) == (known.purchased_at, known.activated_at)
    assert (row["expires_at"], row["user_id"]) == (known.told.expires_at, user_id)
    assert known.told.to_metadata().items() <= row["metadata"].items()
