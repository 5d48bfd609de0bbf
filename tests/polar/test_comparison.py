"""Comparing what Polar says with what is known: any story, unheard from any point on, comes to the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polar import addon_life, comparison, events
from polar.addon_life import Known, Snapshot
from polar.events import Subscription
from sandbox.polar import Event, PolarServer
from tests.support import shop

BEGAN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ID = "11111111-1111-4111-8111-111111111111"

# Polar's status -> what may happen then: the event's type, the fields that change, given the day, and the status after.
STORY: dict[str, list[tuple[str, Any, str]]] = {
    "active": [
        ("cycled", lambda day: {"current_period_end": text(day + 30)}, "active"),
        ("updated", lambda _day: {"product_id": shop.DECADE}, "active"),
        ("updated", lambda _day: {"product_id": shop.YEAR}, "active"),
        ("updated", lambda _day: {"product_id": "a plan"}, "active"),
        ("updated", lambda day: {"pending_update": {"product_id": shop.DECADE, "applies_at": text(day + 9)}}, "active"),
        ("updated", lambda _day: {"pending_update": None}, "active"),
        ("canceled", lambda day: {"cancel_at_period_end": True, "ends_at": text(day + 40)}, "ends later"),
        ("canceled", lambda day: {"cancel_at_period_end": True, "ends_at": text(day)}, "ends later"),
        ("past_due", lambda _day: {"status": "past_due"}, "past_due"),
        ("paused", lambda _day: {"status": "paused"}, "paused"),
        ("revoked", lambda day: {"status": "canceled", "ended_at": text(day)}, "over"),
    ],
    "ends later": [
        ("uncanceled", lambda _day: {"cancel_at_period_end": False, "ends_at": None}, "active"),
        ("revoked", lambda day: {"status": "canceled", "ended_at": text(day)}, "over"),
    ],
    "past_due": [
        ("active", lambda _day: {"status": "active"}, "active"),
        ("revoked", lambda day: {"status": "canceled", "ended_at": text(day)}, "over"),
    ],
    "paused": [
        ("resumed", lambda day: {"status": "active", "current_period_end": text(day + 30)}, "active"),
        ("revoked", lambda day: {"status": "canceled", "ended_at": text(day)}, "over"),
    ],
    "over": [],
}


def text(day: int) -> str:
    return (BEGAN + day * DAY).isoformat()


@st.composite
def stories(draw: st.DrawFn) -> tuple[PolarServer, datetime]:
    """Polar after a subscription's life of up to ten events, a day apart, and the day after."""
    polar, status = PolarServer(), "active"
    polar.change(ID, "active", BEGAN, product_id=draw(st.sampled_from([shop.YEAR, shop.DECADE])))
    for day in range(1, draw(st.integers(1, 10))):
        if not STORY[status]:
            break
        kind, fields, status = draw(st.sampled_from(STORY[status]))
        polar.change(ID, kind, BEGAN + day * DAY, **fields(day))
    return polar, polar.events[-1].created_at + DAY


def heard(story: list[Event], now: datetime) -> dict[str, Known]:
    read = [events.read(each.payload, now) for each in story]
    told = [addon_life.snapshot(each) for each in read if each is not None]
    assert len(told) == len(story)
    its = addon_life.advance_all(None, told, shop.PRODUCTS, now).known
    return {ID: its} if its else {}


def told_by(polar: PolarServer, known: dict[str, Known], now: datetime) -> tuple[list[Subscription], list[str]]:
    """As `reconciliation` asks: the active ones, and those that are known and not among them."""
    its = Subscription.model_validate(polar.subscriptions[ID])
    listed = [its] if its.status in ("active", "trialing") and its.product_id in shop.PRODUCTS else []
    missing = comparison.unexplained(known, [each.id for each in listed], now)
    return [*listed, *([its] if missing else [])], []


def reconciled(known: dict[str, Known], polar: PolarServer, now: datetime) -> dict[str, Known]:
    differences = comparison.compare(known, *told_by(polar, known, now), shop.PRODUCTS, now)
    return known | {each.polar_subscription_id: each.after for each in differences}


def facts(known: dict[str, Known]) -> list[Any]:
    """What counts: not which event told it, and when."""
    return [
        (
            its.status,
            its.retention_days,
            its.purchased_at,
            its.activated_at,
            Snapshot(
                **its.told.model_dump(exclude={"at", "polar_event", "polar_customer_id", "modified_at"}), at=BEGAN
            ),
        )
        for its in known.values()
    ]


@given(stories(), st.data())
def test_a_story_that_is_unheard_from_any_point_on_comes_to_the_same(
    told: tuple[PolarServer, datetime], data: st.DataObject
) -> None:
    polar, now = told
    count = data.draw(st.integers(0, len(polar.events)))
    truth, known = heard(polar.events, now), heard(polar.events[:count], now)
    repaired = reconciled(known, polar, now)
    if not repaired or repaired[ID].retention_days is None or truth[ID].retention_days is None:
        # Never heard of, and not active any more; or it has a product that is none of ours, and is not looked at.
        assert truth[ID].status != "active" or polar.subscriptions[ID]["status"] == "past_due"
        assert not repaired or repaired[ID].status != "active"
    elif polar.subscriptions[ID]["status"] == "past_due" and known and known[ID].status == "inactive":
        assert repaired[ID].status == "inactive"  # nobody begins by owing, whoever paid unheard in between
    else:
        assert facts(repaired) == facts(truth)


@given(stories(), st.data())
def test_repaired_once_nothing_differs(told: tuple[PolarServer, datetime], data: st.DataObject) -> None:
    polar, now = told
    known = heard(polar.events[: data.draw(st.integers(0, len(polar.events)))], now)
    repaired = reconciled(known, polar, now)
    assert comparison.compare(repaired, *told_by(polar, repaired, now), shop.PRODUCTS, now) == []


@given(stories())
def test_where_everything_was_heard_nothing_differs(told: tuple[PolarServer, datetime]) -> None:
    polar, now = told
    known = heard(polar.events, now)
    assert comparison.compare(known, *told_by(polar, known, now), shop.PRODUCTS, now) == []


@given(stories(), st.data())
def test_an_event_that_was_heard_meanwhile_is_not_taken_back(
    told: tuple[PolarServer, datetime], data: st.DataObject
) -> None:
    """Polar's answer was read before the last events were made, and is compared after."""
    polar, now = told
    answered = PolarServer()
    count = data.draw(st.integers(1, len(polar.events)))
    answered.subscriptions[ID] = polar.events[count - 1].payload["data"]
    known = heard(polar.events, now)
    after = reconciled(known, answered, now)
    assert [(its.status, its.retention_days) for its in after.values()] == [
        (its.status, its.retention_days) for its in known.values()
    ]


@pytest.mark.parametrize(("ending", "active", "may"), [(0, 0, True), (1, 9, False), (1, 10, True), (2, 19, False)])
def test_a_tenth_may_end_at_once(ending: int, active: int, may: bool) -> None:
    assert comparison.may_end(ending, active) == may


def test_a_change_of_plan_that_was_taken_back_unheard_waits_no_more() -> None:
    polar, waits = PolarServer(), {"product_id": shop.DECADE, "applies_at": text(9)}
    polar.change(ID, "active", BEGAN, product_id=shop.YEAR)
    polar.change(ID, "updated", BEGAN + DAY, pending_update=waits)
    known = heard(polar.events, BEGAN + 2 * DAY)
    assert known[ID].told.pending_update
    polar.change(ID, "updated", BEGAN + 2 * DAY, pending_update=None)
    assert not reconciled(known, polar, BEGAN + 3 * DAY)[ID].told.pending_update


def test_who_owes_is_kept_for_a_month_though_polar_shows_nothing_of_him() -> None:
    polar = PolarServer()
    polar.change(ID, "active", BEGAN, product_id=shop.YEAR)
    polar.change(ID, "past_due", BEGAN + DAY, status="past_due")
    known = heard(polar.events, BEGAN + DAY)
    assert comparison.compare(known, [], [ID], shop.PRODUCTS, BEGAN + 30 * DAY) == []
    [end] = comparison.compare(known, [], [ID], shop.PRODUCTS, BEGAN + 31 * DAY)
    assert (end.repair, end.after) == ("end", replace(known[ID], status="canceled"))
