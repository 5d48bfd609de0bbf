"""What is read from Polar's events: only what a purchase needs, so that what Polar adds to them loses nothing.

Polar's JSON is snake_case: `{type, timestamp, data: {...}}`. Fields that we could do without are read leniently: one
that has another shape than expected is as good as absent.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

AddonStatus = Literal["active", "inactive", "expired", "canceled"]

_STATUSES: Mapping[str, AddonStatus] = {
    "active": "active",
    "trialing": "active",
    "incomplete_expired": "expired",
    "canceled": "canceled",
}


def _storable(value: str) -> str:
    """Postgres stores neither NUL nor half of a surrogate pair; JSON can spell both."""
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


class Subscription(_Part):
    """`data` of a `subscription.*` event: the whole subscription as it stood when the event was made."""

    id: Required
    status: Required
    product_id: Required
    customer_id: Lenient[Text] = None
    customer: Lenient[Customer] = None
    metadata: Lenient[Metadata] = None
    started_at: Lenient[Moment] = None
    current_period_start: Lenient[Moment] = None
    current_period_end: Lenient[Moment] = None
    cancel_at_period_end: Lenient[bool] = None
    ends_at: Lenient[Moment] = None
    ended_at: Lenient[Moment] = None

    @property
    def addon_status(self) -> AddonStatus:
        """What this means for the addon. A status that Polar invents is not one that was paid for."""
        return _STATUSES.get(self.status, "inactive")

    @property
    def expires_at(self) -> datetime | None:
        """When it ended, will end by a cancellation, or is due for renewal: the first of these that is known."""
        return self.ended_at or self.ends_at or self.current_period_end

    @property
    def buyer_claims(self) -> tuple[tuple[str, str | None], ...]:
        """Where the buyer's auth user id may be, best first, with what is there."""
        return (
            ("metadata.user_id", self.metadata.user_id if self.metadata else None),
            ("customer.external_id", self.customer.external_id if self.customer else None),
        )


class SubscriptionEvent(_Part):
    """A `subscription.*` event. `at` orders the events of one subscription."""

    type: Required
    at: Moment
    subscription: Subscription


def type_of(payload: object) -> str:
    """What kind of event this says it is, for the record; empty if it does not say."""
    kind = payload.get("type") if isinstance(payload, Mapping) else None
    return _storable(kind)[:100] if isinstance(kind, str) else ""


def read(payload: object, received_at: datetime) -> SubscriptionEvent | None:
    """The event, or None if it is not about a subscription or lacks what identifies one.

    An event without a readable `timestamp` is as old as its arrival.
    """
    if not isinstance(payload, Mapping) or not type_of(payload).startswith("subscription."):
        return None
    try:
        return SubscriptionEvent(
            type=type_of(payload),
            at=_Stamp.model_validate(payload).timestamp or received_at,
            subscription=Subscription.model_validate(payload.get("data")),
        )
    except ValidationError:
        return None


class _Stamp(_Part):
    timestamp: Lenient[Moment] = None
