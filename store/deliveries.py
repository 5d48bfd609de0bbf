"""Polar's webhook deliveries: they are stored when they arrive, and processed afterwards."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from store.database import Connection

ERROR_LENGTH = 1_000


@dataclass(frozen=True)
class Delivery:
    """A stored delivery. `text` is the JSON that arrived. `attempts` is how often the delivery was tried so far."""

    webhook_id: str
    type: str
    received_at: datetime
    text: str
    attempts: int

    @property
    def payload(self) -> object:
        """The delivery's content, parsed from its JSON. Raises `ValueError` if Python cannot read JSON that Postgres
        accepted, such as a number of 5,000 digits.
        """
        payload: object = json.loads(self.text)
        if isinstance(payload, str):
            with contextlib.suppress(ValueError):  # then a string is what was sent
                return json.loads(payload)
        return payload


@dataclass(frozen=True)
class Unprocessed:
    """An unfinished delivery. `error` is why its last attempt failed."""

    webhook_id: str
    type: str
    received_at: datetime
    attempts: int
    next_attempt_at: datetime | None
    error: str | None


async def unprocessed(connection: Connection, *, limit: int) -> list[Unprocessed]:
    """Returns unfinished deliveries, oldest first."""
    rows = await connection.fetch(
        """
        select webhook_id, coalesce(type, '') as type, received_at, attempts, next_attempt_at, error
        from webhook_deliveries where processed_at is null order by received_at, webhook_id limit $1
        """,
        limit,
    )
    return [Unprocessed(**dict(row)) for row in rows]


async def ready(connection: Connection) -> None:
    """Checks that deliveries can be stored. Raises an error of asyncpg if Postgres does not answer or lacks
    our tables.
    """
    await connection.execute("select from webhook_deliveries limit 0")


async def keep(connection: Connection, *, webhook_id: str, event_type: str, text: str) -> bool:
    r"""Stores a delivery. `text` has to be valid JSON. Returns False if the delivery is stored already.

    Some JSON is refused by jsonb: `\u0000`, an unpaired surrogate, and a number that is too large for numeric. A text
    with such JSON is stored whole, as one JSON string.
    """
    try:
        async with connection.transaction():
            return await _insert(connection, "$3::text::jsonb", webhook_id, event_type, text)
    except asyncpg.DataError:
        return await _insert(connection, "to_jsonb($3::text)", webhook_id, event_type, text)


async def _insert(connection: Connection, payload: str, *values: str) -> bool:
    tag: str = await connection.execute(
        f"""
        insert into webhook_deliveries (webhook_id, type, received_at, payload)
        values ($1, $2, now(), {payload})
        on conflict (webhook_id) do nothing
        """,
        *values,
    )
    return tag == "INSERT 0 1"


async def take(connection: Connection) -> Delivery | None:
    """Returns the oldest delivery that is due, and locks it until the transaction ends. Skips deliveries that another
    process has locked. Returns None if no delivery is due.
    """
    row = await connection.fetchrow(
        """
        select webhook_id, coalesce(type, '') as type, received_at, payload::text as text, attempts
        from webhook_deliveries
        where processed_at is null and (next_attempt_at is null or next_attempt_at <= now())
        order by received_at, webhook_id
        limit 1
        for update skip locked
        """
    )
    return Delivery(**dict(row)) if row else None


async def finished_of(connection: Connection, polar_subscription_id: str) -> list[Delivery]:
    """Returns the finished deliveries of events about a Polar subscription itself, oldest first. Events about its
    orders are left out.
    """
    rows = await connection.fetch(
        """
        select webhook_id, coalesce(type, '') as type, received_at, payload::text as text, attempts
        from webhook_deliveries
        where payload #>> '{data,id}' = $1 and processed_at is not null
        order by received_at, webhook_id
        """,
        polar_subscription_id,
    )
    return [Delivery(**dict(row)) for row in rows]


async def kept(connection: Connection, webhook_ids: Sequence[str]) -> frozenset[str]:
    """Returns the ids among `webhook_ids` whose deliveries are stored, finished or not."""
    rows = await connection.fetch(
        "select webhook_id from webhook_deliveries where webhook_id = any($1::text[])", list(webhook_ids)
    )
    return frozenset(row["webhook_id"] for row in rows)


async def forget(connection: Connection, age: timedelta) -> tuple[int, list[Unprocessed]]:
    """Deletes deliveries older than `age`. Returns how many of the deleted deliveries were finished, and the deleted
    deliveries that were not finished.
    """
    rows = await connection.fetch(
        """
        delete from webhook_deliveries where received_at < now() - $1::interval
        returning webhook_id, coalesce(type, '') as type, received_at, attempts, next_attempt_at, error, processed_at
        """,
        age,
    )
    lost = [Unprocessed(*row[:-1]) for row in map(tuple, rows) if row[-1] is None]
    return len(rows) - len(lost), lost


async def finish(connection: Connection, webhook_id: str) -> None:
    await connection.execute(
        """
        update webhook_deliveries
        set processed_at = now(), attempts = attempts + 1, next_attempt_at = null, error = null
        where webhook_id = $1
        """,
        webhook_id,
    )


async def postpone(connection: Connection, webhook_id: str, *, error: str, pause: timedelta) -> None:
    """Records why the delivery could not be processed, and makes it due again after `pause`."""
    await connection.execute(
        """
        update webhook_deliveries set error = $2, attempts = attempts + 1, next_attempt_at = now() + $3
        where webhook_id = $1
        """,
        webhook_id,
        error[:ERROR_LENGTH],
        pause,
    )
