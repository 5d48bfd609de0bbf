"""Asking Polar: page by page, under its limits, and what is said when it does not answer as it should."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from errors import BackfillError, BadInput, PartOver, Unreachable
from polar.api import ATTEMPTS, PolarApi, _retry_after
from sandbox.polar import PolarServer
from sandbox.ports import LOOPBACK
from tests.support import shop
from tests.support.serving import serving

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Goes on only while somebody sleeps."""

    now: float = 1_000.0
    waited: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


@dataclass
class Asking:
    """Polar's server, and a client that does not wait in truth."""

    polar: PolarServer
    api: PolarApi
    clock: Clock

    def subscribe(self, count: int, product: str = shop.YEAR, status: str = "active") -> set[str]:
        made = {str(uuid.uuid4()) for _ in range(count)}
        for each in made:
            self.polar.change(each, "active", AT, product_id=product, status=status)
        return made

    async def active(self, *products: str) -> list[str]:
        return [each.id for each in (await self.api.active_subscriptions(products or (shop.YEAR,))).subscriptions]


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    clock = Clock()
    async with PolarServer(clock=lambda: clock.now) as polar, PolarApi(polar.url, polar.token, clock.sleep) as api:
        yield Asking(polar, api, clock)


async def test_every_page_is_read_of_every_product(asking: Asking) -> None:
    years, decades = asking.subscribe(250), asking.subscribe(3, shop.DECADE)
    asking.subscribe(5, "a plan")
    asking.subscribe(5, status="past_due")
    listed = await asking.active(shop.YEAR, shop.DECADE)
    assert len(listed) == 253
    assert {*listed} == years | decades
    assert len(asking.polar.requests) == 4


async def test_an_address_is_understood_with_and_without_its_version(asking: Asking) -> None:
    [one] = asking.subscribe(1)
    for url in (asking.polar.url, asking.polar.url.removesuffix("/v1"), f"{asking.polar.url}/"):
        async with PolarApi(url, asking.polar.token) as api:
            assert [each.id for each in (await api.active_subscriptions([shop.YEAR])).subscriptions] == [one]


async def test_who_comes_too_often_waits_as_long_as_polar_says(asking: Asking) -> None:
    asking.polar.requests_a_minute = 2
    everybody = asking.subscribe(450)
    assert {*await asking.active()} == everybody
    assert asking.clock.waited == [60, 60]
    assert [status for _, status in asking.polar.requests].count(429) == 2


async def test_a_limit_of_more_than_minutes_is_said_and_not_waited_for(asking: Asking) -> None:
    asking.polar.requests_a_minute = 1
    await asking.active()
    asking.polar.closed_for(3_600)
    with pytest.raises(Unreachable, match="429"):
        await asking.active()
    assert asking.clock.waited == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_that_stumbles_is_asked_again(asking: Asking, status: int) -> None:
    [one] = asking.subscribe(1)
    asking.polar.faults = [status] * (ATTEMPTS - 1)
    assert await asking.active() == [one]
    asking.polar.faults = [status] * ATTEMPTS
    with pytest.raises(Unreachable):
        await asking.active()


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", "{}", '{"items": []}', '{"items": {}, "pagination": {"max_page": 1}}']
)
async def test_an_answer_that_is_none_of_polars_is_no_empty_list(asking: Asking, body: str) -> None:
    asking.polar.faults = [body]
    with pytest.raises(Unreachable, match="none of Polar's"):
        await asking.active()


@pytest.mark.parametrize("status", [302, 400, 404, 405, 422, 501])
async def test_a_server_without_the_list_is_none_of_polars(asking: Asking, status: int) -> None:
    asking.polar.faults = [status]
    with pytest.raises(Unreachable, match="POLAR_API_URL"):
        await asking.active()
    assert asking.clock.waited == []


async def test_a_page_that_fails_in_the_middle_is_no_shorter_list(asking: Asking) -> None:
    asking.subscribe(150)
    asking.polar.requests_a_minute = 500
    whole = await asking.active()
    asking.polar.faults = ['{"items": [], "pagination": {"total_count": 150, "max_page": 2}}', "oops"]
    with pytest.raises(Unreachable):
        await asking.active()
    assert len(whole) == 150


async def test_a_subscription_in_a_new_shape_is_named(asking: Asking) -> None:
    [good], odd = asking.subscribe(1), str(uuid.uuid4())
    asking.polar.faults = [f'{{"items": [{{"id": "{odd}", "state": "active"}}], "pagination": {{"max_page": 1}}}}']
    listed = await asking.api.active_subscriptions([shop.YEAR])
    assert not listed.subscriptions
    assert listed.unreadable == {odd}
    assert await asking.active() == [good]
    asking.polar.faults = ['{"items": [{"state": "active"}], "pagination": {"max_page": 1}}']
    with pytest.raises(Unreachable):
        await asking.active()


async def test_a_wrong_token_is_named_and_not_shown(asking: Asking) -> None:
    async with PolarApi(asking.polar.url, "polar_oat_hunter2") as api:
        for ask in (api.active_subscriptions([shop.YEAR]), api.subscription(str(uuid.uuid4())), api.failed_events(AT)):
            with pytest.raises(BadInput) as bad:
                await ask
            assert bad.value.name == "POLAR_ACCESS_TOKEN"
            assert "hunter2" not in str(bad.value) + repr(bad.value.__cause__)


async def test_a_missing_scope_is_named(asking: Asking) -> None:
    asking.polar.scopes = frozenset()
    for ask in (asking.api.active_subscriptions([shop.YEAR]), asking.api.subscription(str(uuid.uuid4()))):
        with pytest.raises(BadInput, match="subscriptions:read"):
            await ask
    for other in (asking.api.failed_events(AT), asking.api.redeliver(str(uuid.uuid4()))):
        with pytest.raises(PartOver) as over:
            await other
        assert over.value.code == "forbidden"


async def test_one_subscription_is_shown_or_not(asking: Asking) -> None:
    [one] = asking.subscribe(1, status="canceled")
    shown = await asking.api.subscription(one)
    assert shown is not None
    assert (shown.id, shown.status) == (one, "canceled")
    assert await asking.api.subscription(str(uuid.uuid4())) is None
    assert await asking.api.subscription("no-uuid") is None
    assert await asking.api.subscription("../webhooks/deliveries") is None
    [other] = asking.subscribe(1)
    asking.polar.faults = [405, 501]
    assert [await asking.api.subscription(other) for _ in range(2)] == [None, None]
    asking.polar.faults = [418]
    with pytest.raises(Unreachable):
        await asking.api.subscription(other)
    asking.polar.faults = ['{"items": [], "pagination": {"max_page": 0}}']
    with pytest.raises(Unreachable):
        await asking.api.subscription(other)


async def test_events_that_never_arrived_are_found_once_each_oldest_first(asking: Asking) -> None:
    polar, [one] = asking.polar, asking.subscribe(1)
    first, second, third, old, archived = (
        polar.change(one, "updated", AT + timedelta(hours=hour)) for hour in (1, 2, 3, -900, 4)
    )
    other = polar.change(one, "updated", AT)
    other.payload["type"] = "customer.updated"
    archived.is_archived = True
    for event in (second, first, first, third, old, archived, other):
        await polar.deliver(event)
    polar.endpoint = lambda _event: took()
    await polar.deliver(third)  # at last
    assert await asking.api.failed_events(AT - timedelta(days=7)) == [first.id, second.id]
    await asking.api.redeliver(first.id)
    assert await asking.api.failed_events(AT - timedelta(days=7)) == [second.id]
    with pytest.raises(PartOver):
        await asking.api.redeliver(archived.id)


async def took() -> bool:
    return True


async def test_nobody_else_gets_the_token() -> None:
    """Whoever answers with a redirect may send us anywhere."""

    async def elsewhere(_request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("https://example.com/")

    application = web.Application()
    application.router.add_get("/{any:.*}", elsewhere)
    async with serving(application) as url, PolarApi(url, "polar_oat_x") as api:
        with pytest.raises(Unreachable, match="307"):
            await api.active_subscriptions([shop.YEAR])


async def test_a_server_that_is_not_there_is_said(asking: Asking) -> None:
    async with PolarApi(f"http://{LOOPBACK}:1", "polar_oat_x", asking.clock.sleep) as api:
        with pytest.raises(BackfillError) as error:
            await api.active_subscriptions([shop.YEAR])
    assert isinstance(error.value, Unreachable)
    assert len(asking.clock.waited) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("says", "seconds"),
    [
        ("7", 7),
        ("0", 1),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 60),
        ("soon", 60),
        ("nan", 60),
        ("", 60),
    ],
)
def test_a_pause_is_as_long_as_polar_says_where_it_can_be_read(says: str, seconds: float) -> None:
    assert _retry_after({"Retry-After": says}, AT) == seconds
