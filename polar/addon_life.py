"""Decides what Polar's events change in an add-on, by the pure function `advance`. The table of all cases is in
docs/decisions, in the decision "An add-on is what the newest event says".

Events may arrive in any order. The state of an add-on follows the newest event of its subscription. An older event that
arrives late can still change when the add-on was bought, last paid and last unpaid.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from messages import AddonStatus
from polar.events import ORDER_PAID, PendingUpdate, SubscriptionEvent

Says = Literal["paid", "owing", "unpaid", "paused", "ended", "never paid", "other product"]
"""An event's meaning for the add-on."""

Do = Literal["start", "stop", "nothing"]
"""The action after an event. `start`: backfill what is missing, and resume what was stopped. `stop`: stop running jobs,
keep what is stored."""

_SAYS: Mapping[str, Says] = {
    "active": "paid",
    "trialing": "paid",
    "past_due": "owing",
    "incomplete": "unpaid",
    "unpaid": "unpaid",
    "paused": "paused",
    "canceled": "ended",
    "incomplete_expired": "never paid",
}
"""The meaning of a subscription's status. An unknown status counts as `unpaid`."""

_BECOMES: Mapping[Says, AddonStatus] = {
    "paid": "active",
    "owing": "active",
    "unpaid": "inactive",
    "paused": "inactive",
    "other product": "inactive",
    "ended": "canceled",
    "never paid": "expired",
}

_IN_A_LIFE = ("incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "paused", "canceled")
_EVER = datetime.min.replace(tzinfo=UTC)


class _Precedence(NamedTuple):
    """The rank of a snapshot among all snapshots of one subscription. The newer of two snapshots ranks higher, in
    whatever order the two arrive.
    """

    settled: bool
    """False for an order's snapshot, which may be stale, and for an unpaid checkout: all other snapshots are newer."""
    at: datetime
    modified_at: datetime
    stage: int
    content: str


class Snapshot(BaseModel):
    """A subscription as one event describes it. The newest snapshot is stored in the add-on's columns and metadata."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    product_id: str
    polar_event: str = ""
    polar_status: str = ""
    polar_customer_id: str | None = None
    modified_at: datetime | None = None
    started_at: datetime | None = None
    current_period_end: datetime | None = None
    cancel_at_period_end: bool | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    pending_update: PendingUpdate | None = None

    @property
    def precedence(self) -> _Precedence:
        stage = _IN_A_LIFE.index(self.polar_status) if self.polar_status in _IN_A_LIFE else -1
        settled = self.polar_event != ORDER_PAID and self.polar_status != "incomplete"
        return _Precedence(settled, self.at, self.modified_at or _EVER, stage, self.model_dump_json())

    @property
    def says(self) -> Says:
        """What the event means for the add-on. The result is never `other product`, because a snapshot does not know
        which products are ours.
        """
        if self.polar_event == "subscription.revoked":
            return "ended"
        if self.polar_event == "subscription.paused":
            return "paused"
        if self.polar_status == "canceled" and self.ended_at is None and self.lapses_at is not None:
            return "paid"
        return _SAYS.get(self.polar_status, "unpaid")

    @property
    def lapses_at(self) -> datetime | None:
        """The moment at which a canceled subscription ends, whether or not Polar sends an event at that moment. None if
        the subscription is not canceled, or if Polar gives no moment.
        """
        if self.cancel_at_period_end or self.ends_at:
            return self.ends_at or self.current_period_end
        return None

    @property
    def expires_at(self) -> datetime | None:
        """The moment at which the add-on expires. This is the end of the subscription, if Polar gives one. Otherwise it
        is the end that a cancellation sets, or else the end of the current period. None if Polar gives none of these
        moments.
        """
        return self.ended_at or self.ends_at or self.current_period_end

    def to_metadata(self) -> dict[str, Any]:
        """Returns, as JSON, the fields of the snapshot that have no column of the same name in the add-on's row."""
        return self.model_dump(mode="json", exclude={"at", "product_id"})


@dataclass(frozen=True)
class Known:
    """The stored facts about one Polar subscription's add-on."""

    told: Snapshot
    """The newest snapshot."""
    status: AddonStatus
    retention_days: int | None
    """None if the product is not one of ours."""
    purchased_at: datetime
    activated_at: datetime | None
    """When the add-on was first paid for; None if it never was."""
    paid_at: datetime | None = None
    """The time of the newest event that says that the add-on is paid for."""
    unpaid_at: datetime | None = None
    """The time of the newest event that says that the add-on is unpaid, paused or ended."""

    @property
    def stays_active_while_overdue(self) -> bool:
        """Whether the add-on stays active while a payment is overdue. The add-on stays active if it was paid, and if no
        later event says that it is unpaid, paused or ended.
        """
        return self.paid_at is not None and (self.unpaid_at is None or self.unpaid_at < self.paid_at)


@dataclass(frozen=True)
class Change:
    """The effect of an event. `known` is the add-on's new state, and `do` is the action that follows. `known` is None
    if the event is not about an add-on.
    """

    known: Known | None
    do: Do


def snapshot(event: SubscriptionEvent) -> Snapshot:
    its = event.subscription
    return Snapshot(
        at=event.at,
        product_id=its.product_id,
        polar_event=event.type,
        polar_status=its.status,
        polar_customer_id=its.customer_id,
        **its.model_dump(
            include={
                "modified_at",
                "started_at",
                "current_period_end",
                "cancel_at_period_end",
                "ends_at",
                "ended_at",
                "pending_update",
            }
        ),
    )


def advance(known: Known | None, told: Snapshot, products: Mapping[str, int], now: datetime) -> Change:
    """Returns the change that the event `told` makes to the add-on `known`. `known` is None if no add-on of this
    subscription is stored yet. `products` maps the id of a product to the days of retention that the product buys.

    An active add-on whose subscription is canceled expires if its last period is over at `now`.
    """
    days = _days(known, told, products)
    if known is None and days is None:
        return Change(None, "nothing")
    bought_at = told.started_at or told.at
    new = known or Known(told, "inactive", days, bought_at, activated_at=None)
    if told.precedence > new.told.precedence:
        new = replace(new, told=told, retention_days=days)
    new = replace(new, purchased_at=min(new.purchased_at, bought_at))
    if days is not None and told.says == "paid":
        new = replace(
            new,
            activated_at=min(new.activated_at or bought_at, bought_at),
            paid_at=max(new.paid_at or told.at, told.at),
        )
    elif told.says != "owing" and told.precedence.settled:
        new = replace(new, unpaid_at=max(new.unpaid_at or told.at, told.at))
    return _settled(known, new, now)


def advance_all(known: Known | None, story: Iterable[Snapshot], products: Mapping[str, int], now: datetime) -> Change:
    """Returns the change that all events in `story` together make to the add-on `known`. The order of the events does
    not matter. The other arguments are those of `advance`.
    """
    new = known
    for told in story:
        new = advance(new, told, products, now).known
    return Change(new, _do(known, new))


def lapse(known: Known, now: datetime) -> Change:
    """Returns the change that a stored add-on undergoes without an event. If the subscription is canceled and its last
    period is over at `now`, the add-on expires.
    """
    return _settled(known, known, now)


def _days(known: Known | None, told: Snapshot, products: Mapping[str, int]) -> int | None:
    """Returns the days of retention that the product of `told` buys. Returns None if the product is not one of ours.

    If the product of a stored add-on (`known`) was removed from the setting, the add-on keeps its days.
    """
    days = products.get(told.product_id)
    if days is None and known is not None and known.told.product_id == told.product_id:
        return known.retention_days
    return days


def _settled(before: Known | None, after: Known, now: datetime) -> Change:
    after = replace(after, status=_status(after, now))
    return Change(after, _do(before, after))


def _do(before: Known | None, after: Known | None) -> Do:
    had, has = _granted(before), _granted(after)
    if has > had:
        return "start"
    return "stop" if had and not has else "nothing"


def _granted(known: Known | None) -> int:
    """Returns the days of retention that the add-on grants. Returns 0 if the add-on is not active, or if `known` is
    None.
    """
    return (known.retention_days or 0) if known is not None and known.status == "active" else 0


def _status(known: Known, now: datetime) -> AddonStatus:
    says = known.told.says
    if known.retention_days is None and says in ("paid", "owing"):
        says = "other product"
    if says == "owing" and not known.stays_active_while_overdue:
        says = "unpaid"
    if _BECOMES[says] == "active" and known.told.lapses_at is not None and known.told.lapses_at <= now:
        return "expired"
    return _BECOMES[says]
