"""Reads Polar's events. Only the fields that a purchase needs are read, so new fields and new types of events do no
harm.

Polar's JSON has keys in snake case: `{type, timestamp, data: {...}}`. The `data` of a `subscription.*` event is the
subscription. The `data` of `order.paid` is an order, which contains the subscription. An optional field of an
unexpected shape counts as missing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

ORDER_PAID = "order.paid"
"""The only order event that is read, because a refund alone ends nothing."""


def _storable(value: str) -> str:
    """Returns the text with replacements for NUL characters and unpaired surrogates. JSON can hold such characters, but
    Postgres cannot store them.
    """
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is beyond the year 9999") from None


def _or_none(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError:
        return None


T = TypeVar("T")
Lenient = Annotated[T | None, WrapValidator(_or_none)]
Text = Annotated[str, AfterValidator(_storable)]
Required = Annotated[str, AfterValidator(_storable), Field(min_length=1)]
Moment = Annotated[datetime, AfterValidator(_utc)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Customer(_Part):
    external_id: Lenient[Text] = None


class Metadata(_Part):
    user_id: Lenient[Text] = None


class PendingUpdate(_Part):
    """A planned change of product, which takes effect with the next period."""

    product_id: Lenient[Text] = None
    applies_at: Lenient[Moment] = None
    created_at: Lenient[Moment] = None
    modified_at: Lenient[Moment] = None


class Subscription(_Part):
    """A subscription as Polar shows it. The subscription inside an order may be older than the order."""

    id: Required
    status: Required
    product_id: Required
    customer_id: Lenient[Text] = None
    customer: Lenient[Customer] = None
    metadata: Lenient[Metadata] = None
    created_at: Lenient[Moment] = None
    modified_at: Lenient[Moment] = None
    started_at: Lenient[Moment] = None
    current_period_end: Lenient[Moment] = None
    cancel_at_period_end: Lenient[bool] = None
    ends_at: Lenient[Moment] = None
    ended_at: Lenient[Moment] = None
    pending_update: Lenient[PendingUpdate] = None

    @property
    def buyer_claims(self) -> tuple[tuple[str, str | None], ...]:
        """The name and value of each field that may hold the buyer's auth user id, the most reliable first."""
        return (
            ("metadata.user_id", self.metadata.user_id if self.metadata else None),
            ("customer.external_id", self.customer.external_id if self.customer else None),
        )

    @property
    def changed_at(self) -> datetime | None:
        """The moment at which Polar last changed the subscription, or the planned change of its product. None if Polar
        gives no such moment.
        """
        waits = self.pending_update
        moments = [self.created_at, self.started_at, self.modified_at]
        moments += [waits.created_at, waits.modified_at] if waits else []
        return max((each for each in moments if each is not None), default=None)


class SubscriptionEvent(_Part):
    """An event and its subscription. `at` is when Polar created the event."""

    type: Required
    at: Moment
    subscription: Subscription


def type_of(payload: object) -> str:
    """Returns the type of an event, which is stored with the delivery. Returns an empty text if the payload has no type
    that is a text.
    """
    kind = payload.get("type") if isinstance(payload, Mapping) else None
    return _storable(kind)[:100] if isinstance(kind, str) else ""


def read(payload: object, received_at: datetime) -> SubscriptionEvent | None:
    """Returns the event that `payload` holds. Returns None if the event is not about a subscription, or if the
    subscription lacks its id, its status or its product.

    An event without a readable `timestamp` gets `received_at`, the time of its arrival.
    """
    if not isinstance(payload, Mapping):
        return None
    kind, data = type_of(payload), payload.get("data")
    if kind == ORDER_PAID:
        data = data.get("subscription") if isinstance(data, Mapping) else None
    elif not kind.startswith("subscription."):
        return None
    try:
        return SubscriptionEvent(
            type=kind,
            at=_Stamp.model_validate(payload).timestamp or received_at,
            subscription=Subscription.model_validate(data),
        )
    except ValidationError:
        return None


class _Stamp(_Part):
    timestamp: Lenient[Moment] = None
