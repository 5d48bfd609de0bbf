"""Only what a purchase needs is read; whatever else Polar sends, or sends in another shape, loses nothing."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from polar import events
from tests.support import shop

RECEIVED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["subscription.active", "subscription.updated", "subscription.of_a_kind_yet_to_come"])
def test_any_subscription_event_is_read(kind: str) -> None:
    at = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
    event = events.read(shop.event(kind, at=at), RECEIVED)
    assert event is not None
    assert (event.type, event.at, event.subscription.id) == (kind, at, "polar-subscription")


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "subscription.active",
        7,
        {},
        {"type": None},
        {"type": ["subscription.active"]},
        {"type": "order.paid", "data": {"id": "1", "status": "active", "product_id": shop.YEAR}},
        {"type": "order.paid", "data": {"id": "1", "subscription": None}},
        {"type": "order.refunded", "data": {"id": "1", "subscription": shop.event()["data"]}},
        {"type": "refund.created", "data": {"id": "1", "subscription": shop.event()["data"]}},
        {"type": "subscription.active"},
        {"type": "subscription.active", "data": None},
        {"type": "subscription.active", "data": []},
        {"type": "subscription.active", "data": {"id": "1", "status": "active"}},
        {"type": "subscription.active", "data": {"id": "1", "product_id": shop.YEAR}},
        {"type": "subscription.active", "data": {"id": "", "status": "active", "product_id": shop.YEAR}},
        {"type": "subscription.active", "data": {"id": None, "status": "active", "product_id": shop.YEAR}},
    ],
)
def test_what_names_no_subscription_means_nothing(payload: Any) -> None:
    assert events.read(payload, RECEIVED) is None


@pytest.mark.parametrize(
    "field",
    [
        "customer",
        "customer_id",
        "metadata",
        "started_at",
        "current_period_end",
        "ends_at",
        "cancel_at_period_end",
        "modified_at",
        "pending_update",
    ],
)
@pytest.mark.parametrize("value", [None, 7, "nonsense", [], {"a": []}, [1], "9999-12-31T23:59:59-12:00"], ids=repr)
def test_an_optional_field_of_any_shape_loses_nothing_else(field: str, value: Any) -> None:
    event = events.read(shop.event(**{field: value}), RECEIVED)
    assert event is not None
    assert (event.subscription.id, event.subscription.status) == ("polar-subscription", "active")


@pytest.mark.parametrize("timestamp", [None, "", "yesterday", [], {}])
def test_an_event_without_a_readable_timestamp_is_as_old_as_its_arrival(timestamp: Any) -> None:
    event = events.read(shop.event() | {"timestamp": timestamp}, RECEIVED)
    assert event is not None
    assert event.at == RECEIVED


def test_moments_become_utc() -> None:
    at = datetime(2026, 11, 23, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    event = events.read(shop.event(at=at) | {"timestamp": at.isoformat()}, RECEIVED)
    naive = events.read(shop.event() | {"timestamp": "2026-11-23T12:00:00"}, RECEIVED)
    assert event is not None
    assert naive is not None
    assert event.at == naive.at == RECEIVED
    assert event.at.tzinfo is UTC


def test_the_subscription_of_a_paid_order_is_read() -> None:
    subscription = shop.event(subscription="bought")
    event = events.read(subscription | {"type": "order.paid", "data": {"subscription": subscription["data"]}}, RECEIVED)
    assert event is not None
    assert (event.type, event.subscription.id) == ("order.paid", "bought")


def test_a_change_of_plan_that_waits_is_read() -> None:
    waiting = {"id": "1", "product_id": shop.DECADE, "applies_at": "2026-12-01T00:00:00Z", "seats": None}
    event = events.read(shop.event(pending_update=waiting), RECEIVED)
    assert event is not None and event.subscription.pending_update is not None
    pending = event.subscription.pending_update
    assert (pending.product_id, pending.applies_at) == (shop.DECADE, datetime(2026, 12, 1, tzinfo=UTC))


def test_what_postgres_cannot_store_is_replaced() -> None:
    event = events.read(shop.event(metadata={"user_id": "a\0b\ud800"}), RECEIVED)
    assert event is not None
    assert event.subscription.metadata is not None
    assert event.subscription.metadata.user_id == "a�b?"
    assert events.type_of({"type": "a\0b"}) == "a�b"
