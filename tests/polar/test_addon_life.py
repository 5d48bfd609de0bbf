"""The pure function of an add-on's life: every status x event as docs/decisions has it, and events in every order."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polar import addon_life, events
from polar.addon_life import Change, Known, Snapshot
from tests.support import shop

PAGE = Path(__file__).parents[2] / "docs" / "decisions" / "0016-addon-life.md"
AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOW = AT + timedelta(days=1)
LATER: dict[str, Any] = {"cancel_at_period_end": True, "ends_at": (AT + timedelta(days=20)).isoformat()}
ENDED: dict[str, Any] = {"ended_at": AT.isoformat()}


def told(kind: str = "subscription.updated", *, at: datetime = AT, **data: Any) -> Snapshot:
    payload = shop.event(kind, at=at, **data)
    if kind.startswith("order."):
        payload["data"] = {"subscription": payload["data"]}
    event = events.read(payload, at)
    assert event is not None
    return addon_life.snapshot(event)


def after(*story: Snapshot, now: datetime = NOW) -> Change:
    def advance(change: Change, each: Snapshot) -> Change:
        return addon_life.advance(change.known, each, shop.PRODUCTS, now)

    return reduce(advance, story, Change(None, "nothing"))


def known(*story: Snapshot, now: datetime = NOW) -> Known:
    it = after(*story, now=now).known
    assert it is not None
    return it


BEFORE = AT - timedelta(days=30)
BOUGHT = told("subscription.active", at=BEFORE)
KNOWN: dict[str, list[Snapshot]] = {
    "nothing": [],
    "never paid": [told("subscription.created", at=BEFORE, status="incomplete")],
    "active": [BOUGHT],
    "ends later": [BOUGHT, told(at=BEFORE + timedelta(days=1), **LATER)],
    "past due": [BOUGHT, told(at=BEFORE + timedelta(days=1), status="past_due")],
    "paused": [BOUGHT, told("subscription.paused", at=BEFORE + timedelta(days=1), status="paused")],
    "ended": [BOUGHT, told("subscription.revoked", at=BEFORE + timedelta(days=1), status="canceled", **ENDED)],
}
EVENTS: dict[str, dict[str, Any]] = {
    "`active`, `created`, `updated`, `cycled`, `uncanceled`, `resumed`: status active or trialing": {},
    "the same, with more days": {"product": shop.DECADE},
    "`order.paid`, newer by its date": {"kind": "order.paid"},
    "`canceled` at the period's end": {"kind": "subscription.canceled", **LATER},
    "`past_due`": {"kind": "subscription.past_due", "status": "past_due"},
    "`paused`, or status paused": {"status": "paused"},
    "status incomplete": {"status": "incomplete"},
    "status unpaid, or one that Polar invents": {"status": "unpaid"},
    "`revoked`, or status canceled": {"kind": "subscription.revoked", "status": "canceled", **ENDED},
    "status incomplete_expired": {"status": "incomplete_expired"},
    "a product that is none of ours": {"product": "a plan"},
    "any event that is older than what is known": {"at": BEFORE - timedelta(days=1), "status": "canceled"},
}


def cell(story: Sequence[Snapshot], what: dict[str, Any]) -> str:
    change = after(*story, told(**what))
    return (
        "" if change.known is None else change.known.status + ("" if change.do == "nothing" else f", **{change.do}**")
    )


def table() -> list[str]:
    rows = [["event", *(f"known: {each}" for each in KNOWN)], ["---"] * (len(KNOWN) + 1)]
    for name, what in EVENTS.items():
        late = name.startswith("any event that is older")
        rows.append([name, *("" if late and not story else cell(story, what) for story in KNOWN.values())])
    return ["| " + " | ".join(row) + " |" for row in rows]


def test_the_page_shows_what_the_function_does_for_every_status_and_event() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    assert lines[: len(table())] == table(), "\n" + "\n".join(table())


@pytest.mark.parametrize("status", ["active", "trialing"])
@pytest.mark.parametrize(
    "kind", ["created", "active", "updated", "uncanceled", "resumed", "cycled", "of_a_kind_yet_to_come"]
)
def test_any_event_of_a_subscription_that_is_paid_for_activates(kind: str, status: str) -> None:
    change = after(told(f"subscription.{kind}", status=status))
    assert change.do == "start"
    assert change.known is not None
    assert (change.known.status, change.known.retention_days) == ("active", 365)


def test_a_renewal_changes_dates_and_starts_nothing() -> None:
    change = after(BOUGHT, told("subscription.cycled"), told("order.paid", at=AT + timedelta(minutes=1)))
    assert change.do == "nothing"
    assert change.known is not None
    assert change.known.told.expires_at == AT + timedelta(days=30)


def test_an_upgrade_starts_and_a_downgrade_does_not() -> None:
    up, down = told(product=shop.DECADE), told(at=AT + timedelta(days=1))
    assert after(BOUGHT, up).do == "start"
    change = after(BOUGHT, up, down)
    assert change.do == "nothing"
    assert change.known is not None
    assert (change.known.status, change.known.retention_days) == ("active", 365)


def test_one_canceled_at_the_periods_end_lapses_then_without_an_event_and_a_renewing_one_never_does() -> None:
    ends = AT + timedelta(days=20)
    canceled = known(BOUGHT, told(**LATER))
    assert addon_life.lapse(canceled, ends - timedelta(seconds=1)) == Change(canceled, "nothing")
    lapsed = addon_life.lapse(canceled, ends)
    assert lapsed.do == "stop" and lapsed.known is not None and lapsed.known.status == "expired"
    renewing = known(BOUGHT)
    assert addon_life.lapse(renewing, AT + timedelta(days=3650)).do == "nothing"


def test_what_was_uncanceled_does_not_lapse() -> None:
    it = known(BOUGHT, told(**LATER), told("subscription.uncanceled", at=AT + timedelta(hours=1)))
    assert addon_life.lapse(it, AT + timedelta(days=3650)).do == "nothing"


def test_a_status_of_canceled_that_ends_later_is_kept_until_then() -> None:
    it = known(BOUGHT, told("subscription.canceled", status="canceled", **LATER))
    assert it.status == "active"
    assert addon_life.lapse(it, AT + timedelta(days=20)).do == "stop"


def test_the_subscription_in_an_order_is_never_newer_than_what_is_known() -> None:
    revoked = told("subscription.revoked", status="canceled", **ENDED)
    stale = told("order.paid", at=AT + timedelta(days=9))
    for story in permutations([BOUGHT, revoked, stale]):
        assert known(*story).status == "canceled"


def test_a_paid_order_activates_what_waited_for_its_payment() -> None:
    incomplete = told("subscription.created", status="incomplete", at=AT)
    paid = told("order.paid", at=AT + timedelta(seconds=1))
    for story in permutations([incomplete, paid]):
        assert known(*story).status == "active"


def test_a_change_of_plan_waits_and_is_kept() -> None:
    waiting = {"product_id": shop.DECADE, "applies_at": (AT + timedelta(days=20)).isoformat()}
    change = after(BOUGHT, told(pending_update=waiting))
    assert change.do == "nothing"
    assert change.known is not None and change.known.told.pending_update is not None
    assert change.known.told.pending_update.product_id == shop.DECADE
    assert change.known.retention_days == 365


def test_nobody_gets_it_by_owing() -> None:
    assert known(told(status="past_due")).status == "inactive"


def test_who_paused_gets_it_back_by_paying_and_not_by_owing() -> None:
    paused = told("subscription.paused", status="paused", at=AT)
    owing = told("subscription.past_due", status="past_due", at=AT + timedelta(days=2))
    paid = told("subscription.resumed", at=AT + timedelta(days=1))
    for story in permutations([BOUGHT, paused, owing]):
        assert known(*story).status == "inactive"
    for story in permutations([BOUGHT, paused, paid, owing]):
        assert known(*story).status == "active"


def test_who_owes_keeps_it_even_if_the_purchase_is_heard_of_later() -> None:
    change = after(told(status="past_due"), BOUGHT)
    assert change.do == "start"
    assert change.known is not None and change.known.status == "active"


def test_a_product_missing_from_the_setting_keeps_what_was_bought() -> None:
    change = addon_life.advance(known(BOUGHT), told(), {shop.DECADE: 3650}, NOW)
    assert change.known is not None
    assert (change.known.status, change.known.retention_days, change.do) == ("active", 365, "nothing")


def test_what_is_stored_of_an_event_is_the_event() -> None:
    it = told(pending_update={"product_id": shop.DECADE, "applies_at": AT.isoformat()}, modified_at=AT.isoformat())
    again = Snapshot.model_validate({**it.to_metadata(), "at": it.at, "product_id": it.product_id})
    assert again == it and again.precedence == it.precedence


STATUSES = ["incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "paused", "canceled", "new"]
KINDS = ["subscription.updated", "subscription.active", "subscription.revoked", "subscription.paused", "order.paid"]
MOMENTS = st.integers(0, 6).map(lambda days: AT - timedelta(days=days))
SNAPSHOTS = st.builds(
    told,
    st.sampled_from(KINDS),
    at=MOMENTS,
    status=st.sampled_from(STATUSES),
    product=st.sampled_from([shop.YEAR, shop.DECADE]),
    started_at=MOMENTS.map(datetime.isoformat),
    modified_at=st.none() | MOMENTS.map(datetime.isoformat),
    cancel_at_period_end=st.booleans(),
    ends_at=st.none() | MOMENTS.map(lambda at: (at + timedelta(days=9)).isoformat()),
    ended_at=st.none() | MOMENTS.map(datetime.isoformat),
)


@given(st.data(), st.lists(SNAPSHOTS, min_size=1, max_size=6))
def test_what_is_known_depends_on_what_events_say_alone(data: st.DataObject, story: list[Snapshot]) -> None:
    doubled = data.draw(st.permutations(story + data.draw(st.lists(st.sampled_from(story)))))
    assert after(*doubled).known == after(*story).known


@given(st.lists(SNAPSHOTS, max_size=8))
def test_it_starts_where_more_is_granted_and_stops_where_nothing_is_any_more(story: list[Snapshot]) -> None:
    granted, change = 0, Change(None, "nothing")
    for each in story:
        change = addon_life.advance(change.known, each, shop.PRODUCTS, NOW)
        active = change.known is not None and change.known.status == "active"
        grants = (change.known.retention_days or 0) if change.known and active else 0
        assert change.do == ("start" if grants > granted else "stop" if granted and not grants else "nothing")
        granted = grants


@pytest.mark.parametrize(
    ("canceled", "lapses_at"),
    [
        ({"cancel_at_period_end": True, "ends_at": None}, AT + timedelta(days=30)),
        ({"cancel_at_period_end": False, "ends_at": (AT + timedelta(days=20)).isoformat()}, AT + timedelta(days=20)),
        ({"cancel_at_period_end": False, "ends_at": None}, None),
    ],
)
def test_either_sign_of_a_cancellation_says_when_it_lapses(
    canceled: dict[str, Any], lapses_at: datetime | None
) -> None:
    period_ends = (AT + timedelta(days=30)).isoformat()
    assert told(current_period_end=period_ends, **canceled).lapses_at == lapses_at
