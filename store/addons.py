"""Add-ons that were bought, and their buyers. The base subscription is read and never written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from messages import AddonStatus
from store.database import Connection

EXTENDED_DATA_RETENTION = "extended_data_retention"


@dataclass(frozen=True)
class Buyer:
    """A person who bought something. `auth_user_id` identifies the person at Polar and in `subscriptions`;
    `app_user_id` identifies the same person as the owner of workspaces.
    """

    auth_user_id: UUID
    app_user_id: UUID
    subscription_id: UUID | None


@dataclass(frozen=True)
class AddonRow:
    """The stored row of an add-on. `metadata` holds the fields of the add-on's newest event, under Polar's names."""

    status: AddonStatus
    product_id: str
    at: datetime
    """When Polar created the newest event."""
    retention_days: int | None
    purchased_at: datetime
    activated_at: datetime | None
    expires_at: datetime | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Addon:
    """An add-on that grants days of retention."""

    id: UUID
    retention_days: int


async def find_buyer(
    connection: Connection, auth_user_ids: Sequence[UUID], *, polar_customer_id: str | None, polar_subscription_id: str
) -> Buyer | None:
    """Returns the buyer, or None if nobody is found. The buyer is the first person in `auth_user_ids` who exists. If
    none of them exists, the buyer is the person with this `polar_customer_id`, or else the person who already has this
    add-on.
    """
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


async def lock(connection: Connection, buyer: Buyer) -> None:
    """Locks the buyer's add-ons until the transaction ends, so that no other transaction changes them meanwhile."""
    await connection.execute("select pg_advisory_xact_lock_shared(hashtextextended('subscription_addons', 0))")
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('subscription_addons ' || $1, 0))", str(buyer.auth_user_id)
    )


async def lock_all(connection: Connection) -> bool:
    """Locks all add-ons until the transaction ends, and returns True. If another transaction has locked any add-ons,
    locks nothing and returns False.
    """
    alone: bool = await connection.fetchval(
        "select pg_try_advisory_xact_lock(hashtextextended('subscription_addons', 0))"
    )
    return alone


_ROW = """
    select status, coalesce(addon_product_id, '') as product_id, last_event_at as at, retention_days,
           coalesce(purchased_at, last_event_at) as purchased_at, activated_at, expires_at,
           coalesce(metadata, '{}') as metadata
    from subscription_addons
"""


async def known(connection: Connection, polar_subscription_id: str) -> AddonRow | None:
    """Returns the add-on of this Polar subscription, or None if no event has created it yet."""
    row = await connection.fetchrow(
        f"{_ROW} where polar_subscription_id = $1 and last_event_at is not null", polar_subscription_id
    )
    return AddonRow(**dict(row)) if row else None


async def all_known(connection: Connection) -> dict[str, AddonRow]:
    """Returns every add-on that an event has created, by the id of its Polar subscription."""
    rows = await connection.fetch(
        f"""
        select polar_subscription_id, row.* from subscription_addons addon
        cross join lateral ({_ROW} where subscription_addons.id = addon.id) row
        where addon.polar_subscription_id is not null and addon.last_event_at is not null
        order by 1
        """
    )
    return {
        row["polar_subscription_id"]: AddonRow(**{k: v for k, v in row.items() if k != "polar_subscription_id"})
        for row in rows
    }


async def due(connection: Connection, now: datetime) -> dict[str, AddonRow]:
    """Returns active add-ons whose last known period is over, by the id of their Polar subscription."""
    rows = await connection.fetch(
        """
        select polar_subscription_id from subscription_addons
        where status = 'active' and expires_at <= $1 and polar_subscription_id is not null
        order by 1
        """,
        now,
    )
    addons = {row[0]: await known(connection, row[0]) for row in rows}
    return {polar_subscription_id: addon for polar_subscription_id, addon in addons.items() if addon is not None}


async def covers(connection: Connection, workspace_id: UUID, retention_days: int) -> bool:
    """Returns whether the workspace's owner has an active add-on that grants at least `retention_days`."""
    paid: bool = await connection.fetchval(
        """
        select exists (
            select from workspaces join app_users on app_users.id = owner_id
            join subscription_addons on subscription_addons.user_id = auth_user_id
            where workspaces.id = $1 and addon_type = $2 and subscription_addons.status = 'active'
              and retention_days >= $3
        )
        """,
        workspace_id,
        EXTENDED_DATA_RETENTION,
        retention_days,
    )
    return paid


async def record(connection: Connection, buyer: Buyer, polar_subscription_id: str, addon: AddonRow) -> UUID:
    """Writes the add-on, and returns the id of its row. Each Polar subscription has one row.

    A new Polar subscription takes over the add-on row of the buyer's base subscription if that row has no Polar
    subscription yet. Otherwise, a row is created.
    """
    addon_id: UUID = await connection.fetchval(
        """
        insert into subscription_addons as addon (
            id, user_id, addon_type, addon_product_id, polar_subscription_id, last_event_at, retention_days, status,
            purchased_at, activated_at, expires_at, metadata, created_at, updated_at
        )
        values (coalesce((
            select id from subscription_addons
            where polar_subscription_id = $3
               or (polar_subscription_id is null and subscription_id = $11 and addon_type = $2)
            order by polar_subscription_id nulls last limit 1
        ), gen_random_uuid()), $1, $2, $4, $3, $5, $6, $7, $8, $9, $10, $12, now(), now())
        on conflict (id) do update set
            user_id = excluded.user_id,
            addon_product_id = excluded.addon_product_id,
            polar_subscription_id = excluded.polar_subscription_id,
            last_event_at = excluded.last_event_at,
            retention_days = excluded.retention_days,
            status = excluded.status,
            purchased_at = excluded.purchased_at,
            activated_at = excluded.activated_at,
            expires_at = excluded.expires_at,
            metadata = coalesce(addon.metadata, '{}') || excluded.metadata,
            updated_at = now()
        returning id
        """,
        buyer.auth_user_id,
        EXTENDED_DATA_RETENTION,
        polar_subscription_id,
        addon.product_id,
        addon.at,
        addon.retention_days,
        addon.status,
        addon.purchased_at,
        addon.activated_at,
        addon.expires_at,
        buyer.subscription_id,
        dict(addon.metadata),
    )
    await _link(connection, buyer)
    return addon_id


async def _link(connection: Connection, buyer: Buyer) -> None:
    """Links one of the buyer's add-ons to the buyer's base subscription, by a column of the add-on. The host's unique
    key allows only one linked add-on.

    Active add-ons are preferred to others, then add-ons with more days, then add-ons that were bought earlier.
    """
    if buyer.subscription_id is None:
        return
    best = await connection.fetchval(
        """
        select id from subscription_addons where user_id = $1 and addon_type = $2
        order by (status = 'active') desc, retention_days desc nulls last, purchased_at nulls last,
                 polar_subscription_id nulls last
        limit 1
        """,
        buyer.auth_user_id,
        EXTENDED_DATA_RETENTION,
    )
    await connection.execute(
        """
        update subscription_addons set subscription_id = null, updated_at = now()
        where subscription_id = $1 and addon_type = $2 and id <> $3
        """,
        buyer.subscription_id,
        EXTENDED_DATA_RETENTION,
        best,
    )
    await connection.execute(
        "update subscription_addons set subscription_id = $1 where id = $2 and subscription_id is distinct from $1",
        buyer.subscription_id,
        best,
    )


async def expire(connection: Connection, polar_subscription_id: str, status: AddonStatus) -> None:
    """Sets the status of this add-on to `status`, if it is still active."""
    await connection.execute(
        """
        update subscription_addons set status = $2, updated_at = now()
        where polar_subscription_id = $1 and status = 'active'
        """,
        polar_subscription_id,
        status,
    )


# Every workspace of the owner $1 (null: of all) with the days that his add-ons grant it; null if they grant none.
OWNED = """
    owned as (
        select workspaces.id as workspace_id, workspaces.data_retention_days as keeps,
               coalesce(workspaces.is_active, true) as is_active, app_users.auth_user_id as user_id,
               addon.id as addon_id, addon.retention_days as days
        from workspaces left join app_users on app_users.id = workspaces.owner_id
        left join lateral (
            select id, retention_days from subscription_addons
            where user_id = app_users.auth_user_id and addon_type = 'extended_data_retention' and status = 'active'
              and retention_days is not null
            order by retention_days desc, purchased_at, id limit 1
        ) addon on true
        where $1::uuid is null or workspaces.owner_id = $1
    )
"""


async def update_retention(connection: Connection, owner: UUID | None) -> None:
    """Sets `workspaces.data_retention_days` to the days that the owner's best add-on grants. `owner` is the
    `app_users.id` of the person whose workspaces are updated. If `owner` is None, all workspaces are updated.

    A workspace never keeps fewer days than it would without an add-on. The value from before the add-on is remembered,
    and restored when the last add-on ends. If somebody sets the column while an add-on is active, that value is
    restored instead.
    """
    await connection.execute(
        f"""
        with {OWNED}, changed as (
            select workspace_id, keeps, owned.days as bought,
                   case when it.days = keeps then it.days_before else keeps end as before
            from owned left join workspace_retention it using (workspace_id)
            where (owned.days is not null and is_active) or (owned.days is null and it.workspace_id is not null)
        ), compared as (
            select *, case when bought is null then before else greatest(before, bought) end as wanted from changed
        ), remembered as (
            insert into workspace_retention as it (workspace_id, days_before, days)
            select workspace_id, before, wanted from compared where bought is not null
            on conflict (workspace_id) do update set days_before = excluded.days_before, days = excluded.days
            where (it.days_before, it.days) is distinct from (excluded.days_before, excluded.days)
        ), forgotten as (
            delete from workspace_retention using compared
            where workspace_retention.workspace_id = compared.workspace_id and bought is null
        )
        update workspaces set data_retention_days = wanted
        from compared
        where id = workspace_id and keeps is distinct from wanted
        """,
        owner,
    )
