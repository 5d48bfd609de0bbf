"""What Polar says of subscriptions beside what is known of them: `compare`, a pure function, and the brake."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from polar import addon_life
from polar.addon_life import Known, Snapshot
from polar.events import Subscription, SubscriptionEvent

ASKED = "reconcile"
"""The event type of what Polar said when it was asked: no event of Polar's, so the status alone tells what it means."""
OWING = timedelta(days=30)
"""Polar revokes 21 days after a payment failed. Who owes keeps the add-on so long, should Polar not show him."""
ENDING_SHARE = 10
"""Of so many active add-ons one may end at once."""

Repair = Literal["begin", "end", "change"]
_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Difference:
    """What is known of a subscription, and what would be known if nothing had been missed.

    `told` is what Polar said, None if it shows nothing of the subscription any more.
    """

    polar_subscription_id: str
    repair: Repair
    before: Known | None
    after: Known
    told: SubscriptionEvent | None

    @property
    def at(self) -> datetime:
        """When it came about, as far as Polar tells."""
        return self.told.at if self.told else self.after.told.at

    def __str__(self) -> str:
        said = _words(self.after) if self.told else "not shown"
        return f"{self.polar_subscription_id}: here {_words(self.before)}; at Polar {said}"


def as_event(subscription: Subscription, known: Known | None) -> SubscriptionEvent:
    """A subscription as Polar shows it now, as old as its last change.

    Not as old as the answer: Polar may answer from a copy that lags, and an event that was made meanwhile must win.
    A change of plan that waited and was taken back leaves no date: it is just newer than what told of it.
    """
    at = subscription.changed_at or _EVER
    its = known.told if known is not None else None
    if its and its.modified_at == subscription.modified_at and its.pending_update and not subscription.pending_update:
        at = max(at, its.at + timedelta(microseconds=1))
    return SubscriptionEvent(type=ASKED, at=at, subscription=subscription)


def unexplained(known: Mapping[str, Known], listed: Collection[str], now: datetime) -> list[str]:
    """Add-ons that are active, or may be again, and are not in Polar's list: those to ask for one by one.

    That they are not listed does not end them: a payment may be due, or a page have shifted while it was read.
    """
    return sorted(
        each
        for each, its in known.items()
        if each not in listed and (its.status == "active" or _may_be_active_again(its, now))
    )


def _may_be_active_again(known: Known, now: datetime) -> bool:
    """Paused or unpaid, lapsed lately, or ended without a word of Polar's.

    A checkout that was never paid is not asked for: those pile up, and it is listed once it is paid.
    """
    its = known.told
    if known.status == "inactive":
        return its.says in ("paused", "unpaid") and its.polar_status != "incomplete"
    if known.status == "expired":
        return its.lapses_at is not None and now - its.lapses_at < OWING
    return its.says in ("paid", "owing")


def compare(
    known: Mapping[str, Known],
    told: Iterable[Subscription],
    unseen: Collection[str],
    products: Mapping[str, int],
    now: datetime,
) -> list[Difference]:
    """Every difference, in the order in which they came about.

    `unseen` are add-ons of which Polar shows nothing, neither in its list nor when it is asked for them.
    Doing what a difference says and comparing again finds none.
    """
    differences = []
    for subscription in told:
        before = known.get(subscription.id)
        event = as_event(subscription, before)
        change = addon_life.advance(before, addon_life.snapshot(event), products, now)
        if change.known is not None and change.known != before:
            repair: Repair = "begin" if change.do == "start" else "end" if change.do == "stop" else "change"
            differences.append(Difference(subscription.id, repair, before, change.known, event))
    for each in unseen:
        if known[each].status == "active" and not _may_still_pay(known[each].told, now):
            ended = replace(known[each], status="canceled")
            differences.append(Difference(each, "end", known[each], ended, None))
    return sorted(differences, key=lambda each: (each.at, each.polar_subscription_id))


def _may_still_pay(told: Snapshot, now: datetime) -> bool:
    return told.says == "owing" and now - told.at < OWING


def ending(
    known: Mapping[str, Known],
    told: Iterable[Subscription],
    unseen: Collection[str],
    products: Mapping[str, int],
    now: datetime,
) -> int:
    """How many add-ons would end."""
    return sum(each.repair == "end" for each in compare(known, told, unseen, products, now))


def may_end(ending: int, active: int) -> bool:
    """The brake: no more than a tenth of the active add-ons may end at once."""
    return ending * ENDING_SHARE <= active


def _words(known: Known | None) -> str:
    if known is None:
        return "unknown"
    words: list[str] = [known.status]
    if known.retention_days:
        words.append(f"{known.retention_days} days")
    if known.told.polar_status not in ("", known.status):
        words.append(known.told.polar_status)
    if known.told.expires_at:
        verb = "until" if known.told.lapses_at or known.told.ended_at else "paid until"
        words.append(f"{verb} {known.told.expires_at:%Y-%m-%d}")
    if known.told.pending_update:
        words.append("a change of plan waits")
    return ", ".join(words)
