"""Add-ons that were bought, and the people who bought them. The base subscription is read here and never written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from store.database import Connection

EXTENDED_DATA_RETENTION = "extended_data_retention"


@dataclass(frozen=True)
class Buyer:
    """`auth_user_id` is what Polar and `subscriptions` know, `app_user_id` what owns workspaces: two different ids."""

    auth_user_id: UUID
    app_user_id: UUID
    subscription_id: UUID | None


@dataclass(frozen=True)
class Purchase:
    """What one event says of an add-on."""

    polar_subscription_id: str
    product_id: str
    retention_days: int | None
    """None: the product is none of ours (any more); the days that are recorded stay."""
    status: str
    at: datetime
    started_at: datetime | None
    expires_at: datetime | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Addon:
    id: UUID
    retention_days: int
    status: str


async def find_buyer(
    connection: Connection, auth_user_ids: Sequence[UUID], *, polar_customer_id: str | None, polar_subscription_id: str
) -> Buyer | None:
    """The first of `auth_user_ids` who exists, else who has this customer id, else who has this add-on already."""
    row = await connection.fetchrow(
        """
        with claims as (
            select id, ordinality as rank from unnest($1::uuid[]) with ordinality as claimed (id, ordinality)
            union all
            select user_id, 1000 from subscriptions where polar_customer_id = $2
            union all
            select user_id, 2000 from subscription_addons where polar_subscription_id = $3
        )
        select app_users.auth_user_id, app_users.id as app_user_id, (
            select id from subscriptions where user_id = app_users.auth_user_id
            order by (status = 'active') desc, id limit 1
        ) as subscription_id
        from claims join app_users on app_users.auth_user_id = claims.id
        order by rank limit 1
        """,
        auth_user_ids,
        polar_customer_id,
        polar_subscription_id,
    )
    return Buyer(**dict(row)) if row else None


async def known(connection: Connection, polar_subscription_id: str) -> str | None:
    """The product that the add-on of this Polar subscription has, None if there is no such add-on."""
    product: str | None = await connection.fetchval(
        "select coalesce(addon_product_id, '') from subscription_addons where polar_subscription_id = $1",
        polar_subscription_id,
    )
    return product


async def record(connection: Connection, buyer: Buyer, purchase: Purchase) -> Addon | None:
    """Brings the add-on up to date; None if a newer event spoke already, and then nothing changes.

    One row per Polar subscription. The buyer's base subscription is linked from one of them only (the host's key): from
    the active one, if one is. Events of one buyer wait for each other here until their transactions end.
    """
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('subscription_addons ' || $1, 0))", str(buyer.auth_user_id)
    )
    row = await connection.fetchrow(
        """
        select id, last_event_at, retention_days from subscription_addons
        where polar_subscription_id = $1
           or (polar_subscription_id is null and subscription_id = $2 and addon_type = $3)
        order by polar_subscription_id nulls last limit 1
        for update
        """,
        purchase.polar_subscription_id,
        buyer.subscription_id,
        EXTENDED_DATA_RETENTION,
    )
    if row and row["last_event_at"] and row["last_event_at"] > purchase.at:
        return None
    addon_id = row["id"] if row else uuid4()
    days = purchase.retention_days or (row["retention_days"] if row else None)
    await _free_link(connection, buyer, purchase, addon_id)
    recorded = await connection.fetchrow(
        """
        insert into subscription_addons as addon (
            id, user_id, addon_type, addon_product_id, polar_subscription_id, last_event_at, retention_days, status,
            purchased_at, activated_at, expires_at, metadata, created_at, updated_at, subscription_id
        )
        select $1::uuid, $2, $4, $5, $6, $7::timestamptz, $8, $9, coalesce($10, $7),
               case when $9 = 'active' then coalesce($10, $7) end, $11, $12, now(), now(),
               case when not exists (
                   select 1 from subscription_addons where subscription_id = $3 and addon_type = $4 and id <> $1
               ) then $3::uuid end
        on conflict (id) do update set
            user_id = excluded.user_id,
            addon_product_id = excluded.addon_product_id,
            polar_subscription_id = excluded.polar_subscription_id,
            last_event_at = excluded.last_event_at,
            retention_days = excluded.retention_days,
            status = excluded.status,
            purchased_at = coalesce(addon.purchased_at, excluded.purchased_at),
            activated_at = coalesce(addon.activated_at, excluded.activated_at),
            expires_at = excluded.expires_at,
            metadata = coalesce(addon.metadata, '{}') || excluded.metadata,
            updated_at = now(),
            subscription_id = coalesce(excluded.subscription_id, addon.subscription_id)
        returning id, retention_days, status
        """,
        addon_id,
        buyer.auth_user_id,
        buyer.subscription_id,
        EXTENDED_DATA_RETENTION,
        purchase.product_id,
        purchase.polar_subscription_id,
        purchase.at,
        days,
        purchase.status,
        purchase.started_at,
        purchase.expires_at,
        dict(purchase.metadata),
    )
    assert recorded is not None
    return Addon(**dict(recorded))


async def _free_link(connection: Connection, buyer: Buyer, purchase: Purchase, addon_id: UUID) -> None:
    """An add-on that is over gives up its link to the base subscription to the one that becomes active."""
    if purchase.status == "active" and buyer.subscription_id:
        await connection.execute(
            """
            update subscription_addons set subscription_id = null, updated_at = now()
            where subscription_id = $1 and addon_type = $2 and id <> $3 and status <> 'active'
            """,
            buyer.subscription_id,
            EXTENDED_DATA_RETENTION,
            addon_id,
        )


async def raise_retention(connection: Connection, buyer: Buyer, days: int) -> None:
    """The buyer's workspaces keep their data for at least `days`; what keeps it longer stays as it is."""
    await connection.execute(
        """
        update workspaces set data_retention_days = $2
        where owner_id = $1 and coalesce(is_active, true) and coalesce(data_retention_days, 0) < $2
        """,
        buyer.app_user_id,
        days,
    )
