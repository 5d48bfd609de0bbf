"""What an add-on's life comes to in Postgres: its row, what workspaces keep, and which jobs run, stop and go on."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from errors import RetryNow
from polar.addon_life import Known
from polar.purchases import Recorded
from store import job_requests
from store.database import Database
from tests.support import shop
from tests.support.polar.purchases import Shop, opened
from tests.support.polar.story import AT, FAR, Told, assert_is, granted, said, told
from tests.support.thoroughness import examples

BASE = ["subscriptions", "app_users", "(select id, tier, settings, is_active from workspaces)"]


@pytest.fixture(scope="module")
async def pool(module_database: str) -> AsyncIterator[Database]:
    async with Database(module_database) as pool:
        yield pool


@pytest.fixture
async def buys(module_database: str, pool: Database) -> AsyncIterator[Shop]:
    async with shop.emptied(module_database) as host:
        yield await opened(pool, host)


ENDS: dict[str, dict[str, Any]] = {
    "revoked": {"kind": "revoked", "status": "canceled", "ended_at": AT.isoformat()},
    "paused": {"kind": "paused", "status": "paused"},
    "unpaid": {"status": "unpaid"},
}


@pytest.mark.parametrize("end", ENDS)
async def test_its_end_stops_what_runs_and_gives_back_what_was_kept_before(buys: Shop, end: str) -> None:
    await buys.say("active")
    assert await buys.keeps() == [365, 400]
    await buys.begin()
    await buys.say(product=shop.DECADE)
    assert await buys.keeps() == [3650, 3650]
    runs, waits = await buys.jobs()
    assert (runs["status"], waits["status"]) == ("in_progress", "pending")

    await buys.say(**ENDS[end])
    assert await buys.keeps() == [30, 400]
    assert await buys.host.fetchval("select count(*) from workspace_retention") == 0
    runs, waits = await buys.jobs()
    assert runs["status"] == "in_progress" and "cancel_requested_at" in runs["metadata"], "at the boundary of a page"
    assert waits["status"] == "canceled" and waits["error_message"].startswith("the add-on has ended")
    assert await buys.follow() == Recorded(), "once"
    await buys.stop()
    assert [job["status"] for job in await buys.jobs()] == ["canceled", "canceled"]
    assert await buys.follow() == Recorded()


async def test_what_stopped_goes_on_when_it_is_resumed(buys: Shop) -> None:
    await buys.say("active")
    await buys.begin()
    await buys.say(**ENDS["paused"])
    await buys.stop()
    await buys.say("resumed")
    [job] = await buys.jobs()
    assert (job["status"], job["attempt"], job["signaled_at"]) == ("pending", 1, None)
    assert not job["metadata"].keys() & {"addon_ended_at", "cancel_requested_at", "cancel_heard_at"}
    await buys.begin()
    assert await buys.host.fetchval("select status from workspace_backfill_progress limit 1") == "pending"
    assert await buys.keeps() == [365, 400]


async def test_a_resumption_that_overtakes_the_stopping_is_followed(buys: Shop) -> None:
    await buys.say("active")
    await buys.begin()
    await buys.say(**ENDS["paused"])
    await buys.say("resumed")
    await buys.stop()
    await buys.follow()
    [job] = await buys.jobs()
    assert (job["status"], job["attempt"]) == ("pending", 1)


@pytest.mark.parametrize("followed", [False, True])
async def test_what_stopped_goes_on_before_a_larger_job_that_was_bought_while_it_stopped(
    buys: Shop, followed: bool
) -> None:
    """The larger job's signal comes first, because Temporal hears of it while the other still stops."""
    await buys.say("active", subscription="old")
    await buys.begin()
    await buys.say(subscription="old", **ENDS["revoked"])
    await buys.say("active", subscription="new", product=shop.DECADE)
    smaller, larger = [str(job["id"]) for job in await buys.jobs()]
    await buys.stop()
    with pytest.raises(RetryNow, match="not recorded yet"):
        await buys.begin_one(larger)
    await buys.hear()
    if followed:
        await buys.follow()
    for _ in range(2):  # as an activity whose first answer was lost
        assert (await buys.begin_one(larger)).status == "pending"
        stopped, waits = await buys.jobs()
        assert (stopped["status"], stopped["attempt"]) == ("pending", 1)
        assert waits["signaled_at"] is None, "it is signaled again"
        await buys.hear()
    for job_id in (smaller, larger):
        assert (await buys.begin_one(job_id)).status == "in_progress"


async def test_what_stopped_goes_on_with_a_smaller_add_on_before_the_job_that_was_bought_with_it(buys: Shop) -> None:
    """Its pages would be paid for again: only a complete sweep leaves coverage."""
    await buys.say("active", subscription="old", product=shop.DECADE)
    await buys.begin()
    await buys.say(subscription="old", **ENDS["revoked"])
    await buys.say("active", subscription="new")
    await buys.stop()
    await buys.hear()
    reduced, bought = [str(job["id"]) for job in await buys.jobs()]
    assert (await buys.begin_one(bought)).status == "pending"
    assert (await buys.begin_one(reduced)).status == "in_progress"
    for job in await buys.jobs():
        assert (job["retention_days"], job["cutoff_at"]) == (365, job["created_at"] - timedelta(days=365))
        assert job["subscription_addon_id"] == (await buys.addons())["new"]["id"]


async def test_a_larger_add_on_that_returns_after_a_smaller_one_is_a_job_of_its_own_again(buys: Shop) -> None:
    await buys.say("active", product=shop.DECADE)
    for _ in range(2):
        await buys.begin()
        await buys.say(**ENDS["paused"])
        await buys.say("resumed")
        await buys.stop()
        await buys.follow()
        await buys.say(product=shop.DECADE)
    days = [(job["status"], job["retention_days"], job["metadata"].get("reduced_from")) for job in await buys.jobs()]
    assert days == [("pending", 365, 3650), ("pending", 365, 3650), ("pending", 3650, None)]
    assert await buys.follow() == Recorded()


async def test_an_operators_job_is_not_reduced(buys: Shop) -> None:
    await buys.say("active", subscription="large", product=shop.DECADE)
    await buys.say("active", subscription="small")
    async with buys.pool.transaction() as connection:
        job_id = await job_requests.ask_for(
            connection, workspace=buys.workspaces[0], actor=shop.OPERATOR, retention_days=3650
        )
    await buys.hear()
    await buys.begin_one(job_id)
    await buys.say(subscription="large", **ENDS["revoked"])
    await buys.stop()
    await buys.follow()
    [job] = [each for each in await buys.jobs() if str(each["id"]) == job_id]
    assert (job["status"], job["retention_days"]) == ("canceled", 3650)


async def test_resubscribing_goes_on_where_it_stopped(buys: Shop) -> None:
    await buys.say("active", subscription="old")
    await buys.begin()
    await buys.say(subscription="old", **ENDS["revoked"])
    await buys.stop()
    await buys.say("active", subscription="new")
    [job] = await buys.jobs()
    assert (job["status"], job["attempt"]) == ("pending", 1)
    assert job["subscription_addon_id"] == (await buys.addons())["new"]["id"]


async def test_who_resubscribes_for_less_gets_a_job_for_that(buys: Shop) -> None:
    await buys.say("active", subscription="old", product=shop.DECADE)
    await buys.say(subscription="old", **ENDS["revoked"])
    await buys.say("active", subscription="new")
    assert [(job["status"], job["retention_days"]) for job in await buys.jobs()] == [
        ("canceled", 3650),
        ("pending", 365),
    ]
    assert await buys.follow() == Recorded()


async def test_who_resumes_for_less_gets_a_job_for_that(buys: Shop) -> None:
    await buys.say("active", product=shop.DECADE)
    await buys.say(**ENDS["paused"])
    await buys.say("resumed")
    assert [(job["status"], job["retention_days"]) for job in await buys.jobs()] == [
        ("canceled", 3650),
        ("pending", 365),
    ]


async def test_who_resumes_for_less_before_it_stopped_goes_on_with_that(buys: Shop) -> None:
    await buys.say("active", product=shop.DECADE)
    await buys.begin()
    await buys.say(**ENDS["paused"])
    await buys.say("resumed")
    await buys.stop()
    await buys.follow()
    assert [(job["status"], job["retention_days"]) for job in await buys.jobs()] == [("pending", 365)]
    assert await buys.follow() == Recorded()


async def test_the_end_of_an_old_subscription_ends_nothing_of_a_newer_one(buys: Shop) -> None:
    await buys.say("active", subscription="old")
    await buys.say("active", subscription="new")
    await buys.begin()
    await buys.say(subscription="old", **ENDS["revoked"])
    assert await buys.keeps() == [365, 400]
    for job in await buys.jobs():
        assert job["status"] == "in_progress" and "cancel_requested_at" not in job["metadata"]
        assert job["subscription_addon_id"] == (await buys.addons())["new"]["id"]
    assert {key: row["status"] for key, row in (await buys.addons()).items()} == {"old": "canceled", "new": "active"}
    assert (await buys.addons())["new"]["subscription_id"] == buys.buyer.base_subscription_id


async def test_past_due_keeps_it_and_the_job_says_so(buys: Shop) -> None:
    await buys.say("active")
    await buys.begin()
    await buys.say("past_due", status="past_due")
    await buys.follow()
    view = (await buys.look()).addon
    assert view is not None and (view.status, view.past_due, view.renews) == ("active", True, True)
    assert await buys.keeps() == [365, 400]
    assert [(job["status"], "cancel_requested_at" in job["metadata"]) for job in await buys.jobs()] == [
        ("in_progress", False)
    ]
    await buys.say("active")
    view = (await buys.look()).addon
    assert view is not None and not view.past_due


async def test_a_downgrade_starts_nothing_and_keeps_less(buys: Shop) -> None:
    await buys.say("active", product=shop.DECADE)
    await buys.say(product=shop.YEAR)
    await buys.follow()
    assert await buys.keeps() == [365, 400]
    assert [job["retention_days"] for job in await buys.jobs()] == [3650]


async def test_a_change_of_plan_that_waits_is_shown(buys: Shop) -> None:
    pending = {"product_id": shop.DECADE, "applies_at": "2026-12-24T00:00:00Z"}
    await buys.say("active", pending_update=pending)
    view = (await buys.look()).addon
    assert view is not None
    assert (view.changes_at, view.changes_to_days) == (datetime(2026, 12, 24, tzinfo=UTC), 3650)
    assert view.retention_days == 365


async def test_a_refund_changes_nothing(buys: Shop) -> None:
    await buys.say("active")
    tables = ["subscription_addons", "workspaces", "workspace_retention", "workspace_backfill_jobs", "subscriptions"]
    before = await shop.checksum(buys.host, tables)
    order = {"id": "order", "status": "refunded", "subscription": shop.event(buyer=buys.buyer)["data"]}
    for kind in ("refund.created", "refund.updated", "order.refunded", "order.updated"):
        await buys.tell({"type": kind, "timestamp": FAR.isoformat(), "data": order})
    assert await shop.checksum(buys.host, tables) == before


async def test_a_paid_order_is_a_purchase_too(buys: Shop) -> None:
    event = shop.event("order.paid", buyer=buys.buyer, at=AT)
    await buys.tell({**event, "data": {"id": "order", "subscription": event["data"]}})
    assert await buys.keeps() == [365, 400]
    assert [job["status"] for job in await buys.jobs()] == ["pending"]


async def test_one_canceled_at_the_periods_end_is_kept_until_then_and_ends_without_another_event(buys: Shop) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20)
    await buys.say("active")
    await buys.say("canceled", cancel_at_period_end=True, ends_at=ends.isoformat())
    await buys.follow(ends - timedelta(seconds=1))
    assert (await buys.status(), await buys.keeps()) == ("active", [365, 400])
    view = (await buys.look()).addon
    assert view is not None and (view.expires_at, view.renews) == (ends, False)
    await buys.follow(ends)
    assert (await buys.status(), await buys.keeps()) == ("expired", [30, 400])
    assert [job["status"] for job in await buys.jobs()] == ["canceled"]


async def test_one_that_renews_is_never_ended_by_time_alone(buys: Shop) -> None:
    await buys.say("active")
    await buys.follow(FAR)
    assert (await buys.status(), await buys.keeps()) == ("active", [365, 400])


async def test_a_purchase_that_is_heard_of_after_the_subscription_left_our_product_grants_nothing(buys: Shop) -> None:
    later = shop.event(buyer=buys.buyer, at=AT + timedelta(hours=1), product="a plan")
    await buys.tell(later, shop.event(buyer=buys.buyer, at=AT))
    assert (await buys.status(), await buys.keeps(), await buys.jobs()) == ("inactive", [30, 400], [])


async def test_a_workspace_that_is_made_after_the_purchase_is_backfilled(buys: Shop) -> None:
    await buys.say("active")
    made = await shop.workspace(buys.host, buys.buyer, keeps=None)
    assert (await buys.follow()).job_ids == (), "there is nothing in it yet"
    other = await shop.workspace(buys.host, buys.buyer, "octo/a", "octo/c")
    assert len((await buys.follow()).job_ids) == 1
    [job] = await buys.jobs(other)
    assert (job["retention_days"], job["total_repositories"], job["status"]) == (365, 2, "pending")
    assert (await buys.follow()).job_ids == (), "once"
    buys.workspaces = [made, other]
    assert await buys.keeps() == [365, 365]
    await buys.say(**ENDS["revoked"])
    assert await buys.keeps() == [None, 30]


async def test_a_workspace_that_changes_hands_goes_with_its_owners_addon(buys: Shop) -> None:
    await buys.say("active")
    await buys.begin()
    stranger = await shop.buyer(buys.host)
    theirs = await shop.workspace(buys.host, stranger, "octo/a")
    hand = "update workspaces set owner_id = $2 where id = $1"
    await buys.host.execute(hand, buys.workspaces[0], stranger.app_user_id)
    await buys.host.execute(hand, theirs, buys.buyer.app_user_id)
    await buys.follow()
    await buys.stop()
    assert [job["status"] for job in await buys.jobs()] == ["canceled"], "it is not charged to him"
    assert [job["status"] for job in await buys.jobs(theirs)] == ["pending"], "it was handed to him"
    assert [job["status"] for job in await buys.jobs(buys.workspaces[1])] == ["in_progress"]
    assert await buys.keeps() == [30, 400]
    await buys.host.execute(hand, buys.workspaces[0], buys.buyer.app_user_id)
    await buys.follow()
    assert [(job["status"], job["attempt"]) for job in await buys.jobs()] == [("pending", 1)]


async def test_a_workspace_that_was_backfilled_for_another_owner_is_backfilled_for_this_one(buys: Shop) -> None:
    other = await shop.buyer(buys.host)
    await buys.tell(shop.event(buyer=other, subscription="of another", at=AT))
    theirs = await shop.workspace(buys.host, other, "octo/a")
    await buys.follow()
    await buys.begin()
    await buys.host.execute("update workspace_backfill_jobs set status = 'completed'")
    await buys.say("active")
    await buys.host.execute("update workspaces set owner_id = $2 where id = $1", theirs, buys.buyer.app_user_id)
    await buys.follow()
    assert [job["status"] for job in await buys.jobs(theirs)] == ["completed", "pending"]


async def test_what_somebody_else_writes_meanwhile_is_what_comes_back(buys: Shop) -> None:
    await buys.say("active")
    await buys.host.execute("update workspaces set data_retention_days = 90 where id = $1", buys.workspaces[0])
    await buys.follow()
    assert await buys.keeps() == [365, 400]
    await buys.say(**ENDS["revoked"])
    assert await buys.keeps() == [90, 400]


async def test_a_job_that_nobody_bought_does_not_end_with_an_addon(buys: Shop) -> None:
    async with buys.pool.transaction() as connection:
        await job_requests.ask_for(connection, workspace=buys.workspaces[0], actor=shop.OPERATOR)
    await buys.say("active")
    await buys.say(**ENDS["revoked"])
    by_operator, bought = await buys.jobs()
    assert (by_operator["requested_by"], by_operator["status"]) == ("operator", "pending")
    assert (bought["requested_by"], bought["status"]) == ("purchase", "canceled")


async def test_a_job_that_an_operator_canceled_is_not_begun_again_by_the_addon(buys: Shop) -> None:
    await buys.say("active")
    async with buys.pool.transaction() as connection:
        await job_requests.ask_to_stop(connection, str((await buys.jobs())[0]["id"]), actor=shop.OPERATOR)
    assert await buys.follow() == Recorded(), "its repositories are not taken for added ones"
    await buys.say("cycled")
    await buys.say(**ENDS["paused"])
    await buys.say("resumed")
    [job] = await buys.jobs()
    assert (job["status"], job["attempt"]) == ("canceled", 0)


# --- In every order ---------------------------------------------------------------------------------------------------

Between = Literal["nothing", "begin", "stop", "hand away", "hand back"]


@settings(max_examples=examples(4, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    story=st.lists(told(), min_size=1, max_size=7),
)
async def test_in_any_order_doubled_and_late_the_tables_are_what_the_events_say(
    module_database: str, pool: Database, data: st.DataObject, story: list[Told]
) -> None:
    again = data.draw(st.lists(st.sampled_from(story), max_size=3), label="again")
    arrives = data.draw(st.permutations(story + again), label="arrives")
    between: st.SearchStrategy[Between] = st.sampled_from(["nothing", "begin", "stop", "hand away", "hand back"])
    async with shop.emptied(module_database) as host:
        buys = await opened(pool, host)
        stranger = await shop.buyer(host)
        base, tables = await shop.checksum(host, BASE[:2]), list[Told]()
        for each in arrives:
            subscription = each["data"].get("subscription", each["data"])
            subscription["metadata"] = {"user_id": str(buys.buyer.auth_user_id)}
            tables.append(each)
            await buys.tell(each)
            known = said(tables)
            await exactly_right(buys, known)
            match data.draw(between, label="between"):
                case "begin":
                    await buys.begin()
                case "stop":
                    await buys.stop()
                case "hand away":
                    await hand(buys, stranger)
                case "hand back":
                    await hand(buys, buys.buyer)
                case "nothing":
                    pass
            await buys.follow(datetime.now(UTC))
            await exactly_right(buys, known)
        await buys.stop()
        await buys.follow(datetime.now(UTC))
        await jobs_are_right(buys)
        assert await buys.follow(datetime.now(UTC)) == Recorded(), "all is as it should be"
        assert await shop.checksum(host, BASE[:2]) == base


async def hand(buys: Shop, owner: shop.Buyer) -> None:
    await buys.host.execute("update workspaces set owner_id = $2 where id = $1", buys.workspaces[0], owner.app_user_id)
    # What an event of the buyer does to his workspaces, the next round does to those of others.
    await buys.follow(datetime.now(UTC))


async def exactly_right(buys: Shop, known: dict[str, Known]) -> None:
    """The add-ons' rows, and what workspaces keep."""
    rows = await buys.addons()
    assert rows.keys() == known.keys()
    for key, it in known.items():
        assert_is(rows[key], it, buys.buyer.auth_user_id)
    assert [row["subscription_id"] for row in rows.values() if row["subscription_id"]] == (
        [buys.buyer.base_subscription_id] if rows else []
    )
    bought = granted(known)
    away = await buys.host.fetchval(
        "select owner_id <> $2 from workspaces where id = $1", buys.workspaces[0], buys.buyer.app_user_id
    )
    assert await buys.keeps() == [max(30, 0 if away else bought), max(400, bought)]


async def jobs_are_right(buys: Shop) -> None:
    """Who has an add-on has a job for as many days in each workspace, and who has none has none that goes on."""
    days = await buys.host.fetchval("select max(retention_days) from subscription_addons where status = 'active'")
    for workspace_id in buys.workspaces:
        owned = await buys.host.fetchval(
            "select owner_id = $2 from workspaces where id = $1", workspace_id, buys.buyer.app_user_id
        )
        live = [job["retention_days"] for job in await buys.jobs(workspace_id) if job["status"] != "canceled"]
        assert (max(live) >= days) if owned and days else not live


async def test_a_larger_job_waits_for_none_that_somebody_pauses_before_its_turn(buys: Shop) -> None:
    await buys.say("active", subscription="old")
    await buys.begin()
    await buys.say(subscription="old", **ENDS["revoked"])
    await buys.stop()
    await buys.say("active", subscription="new", product=shop.DECADE)
    smaller, larger = [str(job["id"]) for job in await buys.jobs()]
    async with buys.pool.transaction() as connection:
        await job_requests.pause(connection, smaller, actor=shop.OPERATOR)
    await buys.hear()
    assert (await buys.begin_one(larger)).status == "in_progress"
    async with buys.pool.transaction() as connection:
        await job_requests.resume(connection, smaller, actor=shop.OPERATOR)
    assert (await buys.begin_one(smaller)).status == "in_progress"
