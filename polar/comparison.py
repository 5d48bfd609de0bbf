"""Compares Polar's subscriptions with the stored add-ons. `compare`, a pure function, finds the differences. `may_end`
limits how many add-ons may end at once.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from polar import addon_life
from polar.addon_life import Known, Snapshot
from polar.events import Subscription, SubscriptionEvent

ASKED = "reconcile"
"""The event type of a subscription read by a request. Polar sends no such event, so only the status decides its
meaning."""
OWING = timedelta(days=30)
"""How long an add-on with a due payment is kept if Polar does not list it. Polar revokes 21 days after a failed
payment."""
ENDING_SHARE = 10
"""At most one in this many active add-ons may end at once."""

Repair = Literal["begin", "end", "change"]
_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Difference:
    """A subscription whose stored state (`before`) differs from the state that should be stored (`after`).

    `before` is None if nothing is stored. `told` is the subscription's state at Polar, in the form of an event. `told`
    is None if Polar no longer shows the subscription.
    """

    polar_subscription_id: str
    repair: Repair
    before: Known | None
    after: Known
    told: SubscriptionEvent | None

    @property
    def at(self) -> datetime:
        """The moment at which the difference arose: the last change of the subscription at Polar. If Polar no longer
        shows the subscription, it is the moment of the newest stored event.
        """
        return self.told.at if self.told else self.after.told.at

    def __str__(self) -> str:
        said = _words(self.after) if self.told else "not shown"
        return f"{self.polar_subscription_id}: here {_words(self.before)}; at Polar {said}"


def as_event(subscription: Subscription, known: Known | None) -> SubscriptionEvent:
    """Returns the present state of a subscription in the form of an event. `known` is the stored add-on of the
    subscription, or None if no add-on is stored.

    The event's time is the subscription's last change, not the moment of Polar's answer. This is necessary because
    Polar may answer with an old state, and an old state must not replace a newer event. Polar gives no time for the
    withdrawal of a planned change of product. After a withdrawal, the event's time is therefore a microsecond later
    than the stored event that planned the change.
    """
    at = subscription.changed_at or _EVER
    its = known.told if known is not None else None
    if its and its.modified_at == subscription.modified_at and its.pending_update and not subscription.pending_update:
        at = max(at, its.at + timedelta(microseconds=1))
    return SubscriptionEvent(type=ASKED, at=at, subscription=subscription)


def unexplained(known: Mapping[str, Known], listed: Collection[str], now: datetime) -> list[str]:
    """Returns the ids of stored subscriptions that are missing from Polar's list although their add-ons are active or
    may become active again. The caller requests each subscription by its id.

    `known` maps subscription ids to the stored add-ons. `listed` holds the ids in Polar's list. An add-on must not end
    only because its subscription is missing from the list. The payment may be overdue, or a page of the list may have
    shifted during the reading.
    """
    return sorted(
        each
        for each, its in known.items()
        if each not in listed and (its.status == "active" or _may_be_active_again(its, now))
    )


def _may_be_active_again(known: Known, now: datetime) -> bool:
    """Returns whether an add-on that is not active may become active again. This holds for a paused or unpaid add-on,
    and for an add-on that expired less than 30 days ago. It also holds for a canceled add-on if no event said that its
    subscription ended.

    Checkouts that were never paid are left out, because there are many of them, and because Polar lists a subscription
    as soon as it is paid.
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
    """Returns all differences between Polar's subscriptions and the stored add-ons, in the order in which they arose.
    Once the differences are applied, a second comparison finds no difference.

    `known` maps subscription ids to the stored add-ons. `told` are the subscriptions that Polar shows. `unseen` holds
    the ids of stored subscriptions that Polar shows neither in its list nor by id. `products` maps the id of a product
    to the days of retention that the product buys.
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
    """Returns how many add-ons would end if all differences were applied. The arguments are those of `compare`."""
    return sum(each.repair == "end" for each in compare(known, told, unseen, products, now))


def may_end(ending: int, active: int) -> bool:
    """Returns whether `ending` add-ons may end at once: at most a tenth of `active`, the number of active add-ons."""
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
