"""Whatever is sent to the webhook is kept whole and read, or refused with 4xx and not kept: never 5xx, never half."""

import asyncio
import base64
import hmac
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from polar.inbox import Inbox
from store.database import Database
from tests.support import shop
from tests.support.polar.receiver import receiving
from tests.support.waiting import PATIENCE

ID = "msg_1"
NAMED = re.compile(r"[a-z_]+: ")
"""An error of the taxonomy begins with its code, where a bug's begins with the name of its class."""

MOMENTS = st.sampled_from(
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "1e999"]
)
ODD: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[]), max_size=9)
    | st.sampled_from(["", "\0", "\ud800", " ", "x" * 3_000, shop.YEAR, shop.DECADE, "active", "canceled", 10**400])
    | MOMENTS,
    lambda deeper: st.lists(deeper, max_size=2) | st.dictionaries(st.text(max_size=5), deeper, max_size=2),
    max_leaves=4,
)
KINDS = ["subscription.active", "subscription.updated", "subscription.canceled", "subscription.revoked", "order.paid"]
FIELDS = ["id", "status", "product_id", "customer_id", "customer", "metadata", "started_at", "current_period_end"]
FIELDS += ["cancel_at_period_end", "ends_at", "ended_at", "created_at", "modified_at", "pending_update", "subscription"]


@st.composite
def events(draw: st.DrawFn, buyer: shop.Buyer) -> Any:
    """Draws one of Polar's events with other values in some of its fields, or any other JSON."""
    event: Any = shop.event(draw(st.sampled_from(KINDS)), buyer=draw(st.sampled_from([buyer, None])))
    event["data"] |= draw(st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=4))
    event |= draw(st.dictionaries(st.sampled_from(["type", "timestamp", "data"]), ODD, max_size=1))
    if draw(st.booleans()):
        event["data"] = {"id": "order", "subscription": event["data"]}
    return event


@st.composite
def cut(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """Draws a body of which some bytes are gone, others or too many."""
    body = draw(bodies)
    start = draw(st.integers(0, len(body)))
    return body[:start] + draw(st.binary(max_size=4)) + body[start + draw(st.integers(0, 9)) :]


def bodies(buyer: shop.Buyer) -> st.SearchStrategy[bytes]:
    written = (events(buyer) | ODD).map(lambda content: json.dumps(content).encode())
    return written | cut(written) | st.binary(max_size=40)


LINES = st.binary(max_size=40).map(lambda value: re.sub(rb"[\r\n]", b"", value))
HEADERS = st.dictionaries(
    st.sampled_from([b"webhook-id", b"webhook-timestamp", b"webhook-signature", b"content-type", b"content-encoding"]),
    LINES | st.sampled_from([b"", b"v1,", b"v1,AAAA v1,\xff", b"9" * 5_000, b"gzip", b"text/plain; charset=utf-7"]),
    max_size=3,
)


def signed(body: bytes) -> dict[bytes, bytes]:
    now, key = str(int(time.time())), base64.b64decode(shop.SECRET.removeprefix("whsec_"))
    digest = base64.b64encode(hmac.digest(key, f"{ID}.{now}.".encode() + body, "sha256"))
    return {b"webhook-id": ID.encode(), b"webhook-timestamp": now.encode(), b"webhook-signature": b"v1," + digest}


@dataclass
class Served:
    url: str
    inbox: Inbox
    connection: asyncpg.Connection
    buyer: shop.Buyer

    async def post(self, body: bytes, headers: dict[bytes, bytes]) -> int:
        """Sends these bytes; a client's library would refuse some of them."""
        head = {b"host": b"localhost", b"connection": b"close", b"content-length": b"%d" % len(body)} | headers
        lines = b"".join(b"%s: %s\r\n" % each for each in head.items())
        async with asyncio.timeout(PATIENCE):
            at = URL(self.url)
            reader, writer = await asyncio.open_connection(at.host, at.port)
            writer.write(b"POST /webhooks/polar HTTP/1.1\r\n" + lines + b"\r\n" + body)
            answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1])


@pytest.fixture(scope="module")
async def served(module_database: str) -> AsyncIterator[Served]:
    async with (
        Database(module_database) as pool,
        shop.connected(module_database) as connection,
    ):
        buyer = await shop.buyer(connection)
        await shop.workspace(connection, buyer, "octo/hello")
        async with receiving(pool) as (url, inbox):
            yield Served(url, inbox, connection, buyer)


def is_whole(payload: Any, body: bytes) -> bool:
    """Whether a stored payload is what was sent. What Postgres' JSON cannot hold is stored as a string of the text."""
    sent = json.loads(body, parse_int=float)
    return bool(json.loads(json.dumps(payload), parse_int=float) == sent or payload == body.decode())


async def check(served: Served, body: bytes, headers: dict[bytes, bytes]) -> None:
    await served.connection.execute(
        "delete from webhook_deliveries; delete from workspace_backfill_jobs; delete from subscription_addons"
    )
    status = await served.post(body, headers)
    kept = await shop.rows(served.connection, "webhook_deliveries")
    assert status == 202 or 400 <= status < 500
    assert len(kept) == (status == 202)
    for delivery in kept:
        assert is_whole(delivery["payload"], body)
    while await served.inbox.finish_one():
        pass
    for delivery in await shop.rows(served.connection, "webhook_deliveries"):
        assert (delivery["processed_at"] is None) == (delivery["error"] is not None)
        assert delivery["error"] is None or NAMED.match(delivery["error"])
    addons = {row["id"] for row in await shop.rows(served.connection, "subscription_addons")}
    for job in await shop.rows(served.connection, "workspace_backfill_jobs"):
        assert job["subscription_addon_id"] in addons


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_body_that_is_signed(served: Served, data: st.DataObject) -> None:
    body = data.draw(bodies(served.buyer))
    await check(served, body, signed(body))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), headers=HEADERS)
async def test_any_headers(served: Served, data: st.DataObject, headers: dict[bytes, bytes]) -> None:
    body = data.draw(bodies(served.buyer))
    await check(served, body, signed(body) | headers)
