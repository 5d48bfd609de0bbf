"""`starter.py list`: jobs, newest first, and the deliveries that wait."""

import json

from polar.inbox import Inbox
from store.database import Database
from tests.support import shop
from tests.support.cli.operator import Operator, Said


class TestList:
    """The latest jobs, newest first."""

    async def test_there_are_none(self, operator: Operator) -> None:
        assert await operator("list") == Said(0, "no backfills yet\n", "")
        assert json.loads((await operator("list", "--json")).out) == []

    async def test_the_newest_is_first(self, operator: Operator) -> None:
        ids = [str((await operator.start())["id"]) for _ in range(3)]
        await operator.set(ids[0], status="completed", failed_repositories=1)
        said = await operator("list")
        assert (said.exit_code, said.err) == (0, "")
        assert [line.split()[0] for line in said.out.splitlines() if line.strip()][-3:] == ids[::-1]
        listed = json.loads((await operator("list", "--json")).out)
        assert [each["id"] for each in listed] == ids[::-1]
        assert listed[-1].keys() >= {"status", "workspace_slug", "retention_days", "created_at", "failed_repositories"}


class TestListOfDeliveries:
    """What Polar sent and could not be finished."""

    async def test_there_are_none(self, operator: Operator) -> None:
        assert await operator("list", "--unprocessed") == Said(0, "every delivery is finished\n", "")

    async def test_a_purchase_by_somebody_unknown_is_shown_with_what_stands_in_its_way(
        self, operator: Operator
    ) -> None:
        [unknown] = await shop.deliver(operator.host, shop.event(buyer=shop.Buyer()))
        async with Database(operator.environment["DATABASE_URL"]) as pool:
            inbox = Inbox(pool, shop.PRODUCTS, created=lambda: None)
            assert await inbox.finish_one()
            await shop.deliver(operator.host, {"type": "refund.created"})
            assert await inbox.finish_one()
        said = await operator("list", "--unprocessed")
        words = " ".join(said.out.split())
        assert (said.exit_code, said.err) == (0, "")
        assert unknown[:8] in words and "unknown_buyer" in words and "refund.created" not in words
        [listed] = json.loads((await operator("list", "--unprocessed", "--json")).out)
        assert (listed["webhook_id"], listed["type"], listed["attempts"]) == (unknown, "subscription.active", 1)
        assert listed["error"].startswith("unknown_buyer: ") and listed["next_attempt_at"]
