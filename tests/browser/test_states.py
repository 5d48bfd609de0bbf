"""Every state of the page as everybody can read it: no violation that axe-core finds, in both themes and on a phone."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from playwright.async_api import Browser, Route, expect

from messages import Failure, Waiting
from tests.support.api import world
from tests.support.browser import jobs, served
from tests.support.browser.jobs import Part
from tests.support.browser.opened import Open
from tests.support.browser.parts import DONE, GOING
from tests.support.browser.reader import DESK, NOT_ANSWERED, PHONE, Reader, Theme, reader
from tests.support.browser.served import Served
from tests.support.waiting import PATIENCE, eventually

expect.set_options(timeout=PATIENCE * 1_000)

UNTIL = datetime.now(UTC) + timedelta(minutes=20)
GONE = Failure(code="gone", message="GitHub knows no repository acme/moon", action="check its name, then retry")
FAILED = {
    **DONE,
    "issues": Part("failed", stored=31, expected=80, error=GONE),
}

COUNTED = ("pull_requests", "issues", "discussions", "embeddings")
ENDLESS_ANIMATIONS = """
() => document.querySelector('data-retention').shadowRoot.getAnimations()
  .filter(each => each.effect.getTiming().iterations === Infinity)
  .map(each => `${each.animationName} of ${each.effect.target.className}`)
"""
"""A page stays open all day: what never comes to rest keeps its reader's processor busy all day."""
LENGTHS_OF_BARS = """
() => [...document.querySelector('data-retention').shadowRoot.querySelectorAll('[role=progressbar][data-known=true]')]
  .map(track => {
    const [whole, drawn] = [track, track.firstElementChild].map(each => each.getBoundingClientRect());
    return [Number(track.getAttribute('aria-valuenow')), Math.floor(100 * (drawn.right - whole.left) / whole.width)];
  })
"""
"""Of each bar: what it says, and how much of its track is filled, in percent."""

HEIGHTS_OF_GROUPS = """
() => [...document.querySelector('data-retention').shadowRoot.querySelectorAll('.scroll tbody')].map(group =>
  [group.offsetHeight, [...group.rows].reduce((height, row) => height + row.offsetHeight, 0)])
"""


@dataclass
class State:
    """What the rows are, and by what one sees that the page shows them."""

    headline: str
    status: str | None = None
    """None: there is no job."""
    rocket: dict[str, Part] = field(default_factory=dict)
    moon: dict[str, Part] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    days: int | None = 365


STATES = {
    "no add-on": State("has not been bought", days=None),
    "no job yet": State("No history has been fetched yet"),
    "queued": State("Queued to fetch 1 year of history", "pending"),
    "fetching": State("Fetching 1 year of history", "in_progress", GOING, DONE),
    "waiting": State(
        "Waiting for GitHub until",
        "in_progress",
        GOING,
        GOING,
        {
            "waiting": Waiting(
                reason="github_limit",
                since=datetime.now(UTC),
                until=UNTIL,
                detail="the hourly budget is used up",
            )
        },
    ),
    "paused": State(
        "Paused by",
        "in_progress",
        GOING,
        DONE,
        {"metadata": {"paused_at": datetime.now(UTC).isoformat(), "paused_by": "user:00000000"}},
    ),
    "partly failed": State("Failed for 1 of 2 repositories", "completed", DONE, FAILED),
    "failed": State("Failed for all 2 repositories", "failed", FAILED, FAILED),
    "completed with notes": State(
        "3 things GitHub does not show", "completed", DONE, {**DONE, "issues": Part(stored=80, expected=80, hidden=3)}
    ),
    "canceled": State("Canceled", "canceled", {**DONE, "issues": Part("canceled", stored=10, expected=80)}, DONE),
}


@pytest.fixture(scope="module")
async def site(browser: Browser, module_database: str) -> AsyncIterator[Served]:  # noqa: ARG001 (without one nothing is served)
    async with served.serving(module_database) as site:
        yield site


async def tenant(host: asyncpg.Connection, state: State) -> world.Tenant:
    """A workspace in this state."""
    made = await world.tenant(host, "acme/rocket", "acme/moon", days=state.days)
    if state.status:
        repositories = {"acme/rocket": state.rocket, "acme/moon": state.moon} if state.rocket else {}
        await jobs.write(host, made.workspace_id, state.status, repositories, **state.options)
    return made


async def assert_everybody_can_read_it(reader: Reader) -> None:
    """Light at a desk and dark on a phone: colors are those of the theme, whatever the size."""
    found: list[str] = []
    looks: tuple[tuple[Theme, tuple[int, int]], ...] = (("light", DESK), ("dark", PHONE))
    for theme, size in looks:
        await reader.page.set_viewport_size({"width": size[0], "height": size[1]})
        await reader.page.emulate_media(color_scheme=theme)
        assert not await reader.scrolls_sideways(), f"the page is wider than {size[0]} pixels"
        found += [f"{theme}, {size[0]} px: {each}" for each in await reader.violations()]
    assert found == []


@pytest.fixture(scope="module")
async def context(browser: Browser) -> AsyncIterator[Reader]:
    """One for all states: a new browser context takes longer to show its first page than axe-core to look at it."""
    made = await reader(browser)
    yield made
    await made.context.close()


@pytest.fixture
async def one_reader(context: Reader) -> AsyncIterator[Reader]:
    """Leaves its page before the rows go that the page asks for."""
    yield context
    await context.page.goto("about:blank")
    context.complaints.clear()


@pytest.mark.parametrize("name", STATES)
async def test_what_a_job_is_in_can_be_read_by_everybody(
    name: str, host: asyncpg.Connection, site: Served, one_reader: Reader
) -> None:
    state = STATES[name]
    made = await tenant(host, state)
    await one_reader.page.goto(site.settings(made.workspace_id, made.token("owner")))
    await expect(one_reader.page.locator("[data-headline]")).to_contain_text(state.headline)
    await assert_everybody_can_read_it(one_reader)
    assert one_reader.complaints == []


async def test_a_bar_is_as_long_as_its_number_says_and_nothing_moves_for_ever(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    made = await tenant(host, STATES["fetching"])
    reader = await open_reader()
    await reader.page.emulate_media(reduced_motion="no-preference")
    await reader.page.goto(site.settings(made.workspace_id, made.token("viewer")))
    bars = reader.page.locator("[role=progressbar]")
    await expect(bars.first).to_have_attribute("aria-valuenow", re.compile("[0-9]"))

    async def lengths() -> list[tuple[int, int]]:
        return [(said, drawn) for said, drawn in await reader.page.evaluate(LENGTHS_OF_BARS)]

    async def match() -> bool:
        return all(abs(said - drawn) <= 1 for said, drawn in await lengths())

    await eventually(match)  # it moves there
    assert len({said for said, _ in await lengths()}) > 2
    assert await reader.page.evaluate(ENDLESS_ANIMATIONS) == []


async def test_a_few_repositories_take_no_more_room_than_their_rows_also_out_of_sight(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    made = await tenant(host, STATES["fetching"])
    reader = await open_reader()
    await reader.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await reader.page.goto(site.settings(made.workspace_id, made.token("viewer")))
    await expect(reader.page.locator("[data-headline]")).to_contain_text("Fetching 1 year")
    [[group, rows]] = await reader.page.evaluate(HEIGHTS_OF_GROUPS)
    assert group == pytest.approx(rows, abs=2)


async def test_what_is_said_while_the_first_answer_is_on_its_way_can_be_read_by_everybody(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    made = await tenant(host, STATES["fetching"])
    reader = await open_reader()
    answer = asyncio.Event()

    async def hold(route: Route) -> None:
        await answer.wait()
        await route.continue_()

    await reader.page.route("**/api/**", hold)
    await reader.page.goto(site.settings(made.workspace_id, made.token("owner")))
    await expect(reader.page.locator("[data-headline]")).to_contain_text("Asking the server")
    await assert_everybody_can_read_it(reader)
    answer.set()
    await expect(reader.page.locator("[data-headline]")).to_contain_text("Fetching 1 year")


async def test_a_server_that_is_gone_is_said_so_that_everybody_can_read_it(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    made = await tenant(host, STATES["fetching"])
    reader = await open_reader()
    await reader.page.goto(site.settings(made.workspace_id, made.token("owner")))
    await expect(reader.page.locator("[data-connection=live]")).to_be_visible()
    reader.expects(NOT_ANSWERED)
    await site.stop()
    try:
        await expect(reader.page.locator("[data-outage]")).to_contain_text("The server does not answer")
        await expect(reader.page.locator("[data-headline]")).to_contain_text("Fetching 1 year")
        await assert_everybody_can_read_it(reader)
    finally:
        await site.start()
    await expect(reader.page.locator("[data-connection=live]")).to_be_visible()


async def test_who_has_no_token_and_who_may_see_nothing_can_read_it(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    made = await tenant(host, STATES["fetching"])
    without = await open_reader()
    await without.page.goto(site.settings(made.workspace_id))
    await expect(without.page.get_by_role("textbox", name="Access token")).to_be_visible()
    await assert_everybody_can_read_it(without)
    stranger = await open_reader()
    stranger.expects(NOT_ANSWERED)
    await stranger.page.goto(site.settings(made.workspace_id, made.token("stranger")))
    await expect(stranger.page.locator("[data-no-access]")).to_be_visible()
    await assert_everybody_can_read_it(stranger)


async def test_what_an_action_will_do_and_a_repositorys_details_can_be_read_by_everybody(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    made = await tenant(host, STATES["partly failed"])
    reader = await open_reader()
    page = reader.page
    await page.goto(site.settings(made.workspace_id, made.token("owner")))
    await page.get_by_role("button", name="acme/moon", exact=True).click()
    await expect(page.locator("[data-details]")).to_contain_text("GitHub knows no repository acme/moon")
    await assert_everybody_can_read_it(reader)
    await page.get_by_role("button", name="Retry issues of acme/moon").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await assert_everybody_can_read_it(reader)


async def test_times_are_those_of_the_readers_zone_and_locale(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    made = await tenant(host, STATES["waiting"])
    texts = {}
    for locale, zone in (("en-US", "America/New_York"), ("de-DE", "Asia/Kolkata")):
        page = (await open_reader(locale=locale, zone=zone)).page
        await page.goto(site.settings(made.workspace_id, made.token("viewer")))
        await expect(page.locator("[data-headline]")).to_contain_text("Waiting for GitHub until")
        shown = page.locator("[data-headline] time")
        texts[locale] = await shown.inner_text()
        assert datetime.fromisoformat(await shown.get_attribute("datetime") or "") == UNTIL
        wanted = await page.evaluate(
            "([at, locale, timeZone]) => new Date(at).toLocaleTimeString(locale, { timeStyle: 'short', timeZone })",
            [UNTIL.isoformat(), locale, zone],
        )
        assert wanted in texts[locale]
    assert re.search("[AP]M", texts["en-US"])
    assert not re.search("[AP]M", texts["de-DE"])


async def test_failures_come_first_and_repositories_are_found_and_filtered(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    made = await world.tenant(host, *(f"acme/r{number}" for number in range(30)))
    parts = {f"acme/r{number}": FAILED if number == 17 else DONE for number in range(30)}
    await jobs.write(host, made.workspace_id, "completed", parts)
    page = (await open_reader()).page
    await page.goto(site.settings(made.workspace_id, made.token("owner")))
    rows = page.locator("tr[data-repository]:visible")
    await expect(rows).to_have_count(30)
    await expect(rows.first).to_have_attribute("data-repository", "acme/r17")
    await page.get_by_role("searchbox").fill("R2")
    await expect(rows).to_have_count(11)
    await page.get_by_role("searchbox").fill("")
    await page.get_by_label("Show", exact=True).select_option(label="Failed (1)")
    await expect(rows).to_have_count(1)
    await page.get_by_label("Show", exact=True).select_option(label="All")
    await page.get_by_label("Sort").select_option(label="Name")
    await expect(rows.first).to_have_attribute("data-repository", "acme/r0")


async def test_a_change_in_postgres_is_shown_without_a_reload(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    made = await tenant(host, STATES["fetching"])
    page = (await open_reader()).page
    await page.goto(site.settings(made.workspace_id, made.token("viewer")))
    row = page.locator("[data-repository='acme/rocket'] [data-type=pull_requests]")
    await expect(row).to_contain_text(re.compile(r"61\s*of 120"))
    await host.execute(
        """
        update backfill_sweeps set counts = '{"pull_requests": 77}', most_stored = 77, least_left = 43
        where data_type = 'pull_requests'
          and repository_id = (select id from repositories where full_name = 'acme/rocket')
        """
    )
    await expect(row).to_contain_text(re.compile(r"77\s*of 120"))


async def test_a_repositorys_percentage_is_that_of_its_numbers_and_what_follows_the_last_thread_is_said(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    made = await tenant(host, STATES["fetching"])
    page = (await open_reader()).page
    await page.goto(site.settings(made.workspace_id, made.token("viewer")))
    row, bar = page.locator("[data-repository='acme/rocket']"), page.locator(".types [data-type=pull_requests]")
    await expect(row.locator("[data-type=pull_requests]")).to_contain_text(re.compile(r"61\s*of 120"))
    cells = [await row.locator(f"[data-type={each}]").text_content() or "" for each in COUNTED]
    shown = [re.match(r"(\d+)(?:of (\d+))?", each) for each in cells]
    stored = sum(int(each[1]) for each in shown if each)
    expected = sum(int(each[2] or each[1]) for each in shown if each)
    assert expected > stored > 0
    await expect(row.locator(".status")).to_have_text(f"{100 * stored // expected}\u00a0%")
    await host.execute(
        """
        update backfill_sweeps set counts = '{"pull_requests": 120}', most_stored = 120, least_left = 0
        where data_type = 'pull_requests'
          and repository_id = (select id from repositories where full_name = 'acme/rocket')
        """
    )
    await expect(bar).to_contain_text("all stored; comments and checks follow")
    await expect(bar).to_contain_text("99\u00a0%")


async def test_one_repository_is_canceled_by_its_button_and_a_viewer_has_none(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    made = await tenant(host, STATES["fetching"])
    buttons = []
    for role in ("viewer", "owner"):
        page = (await open_reader()).page
        await page.goto(site.settings(made.workspace_id, made.token(role)))
        for name in ("acme/rocket", "acme/moon"):
            await page.get_by_role("button", name=name, exact=True).click()
        await expect(page.locator("[data-details]")).to_have_count(2)
        buttons.append(await page.locator("[data-cancel]:visible").count())
    assert buttons == [0, 1], "a repository that is complete has nothing to cancel"
    await page.get_by_role("button", name="Cancel acme/rocket").click()
    await expect(page.get_by_role("dialog")).to_contain_text("The other repositories go on")
    await page.locator("[data-confirm]").click()
    await expect(page.locator("[data-repository='acme/rocket'] > .status")).to_have_text("Stopping")
    await expect(page.locator("[data-cancel]:visible")).to_have_count(0)
    metadata = await host.fetchval("select metadata from workspace_backfill_jobs")
    assert (len(metadata["stopping"]), "cancel_requested_at" in metadata) == (1, False)


async def test_what_others_wrote_is_text_and_never_markup(
    host: asyncpg.Connection, site: Served, open_reader: Open
) -> None:
    markup = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"
    made = await tenant(host, STATES["failed"])
    await host.execute("update workspaces set name = $1", markup)
    await host.execute(
        "update backfill_sweeps set error = error || jsonb_build_object('message', $1::text) where error is not null",
        markup,
    )
    page = (await open_reader()).page
    await page.goto(site.settings(made.workspace_id, made.token("owner")))
    await expect(page.locator("[data-problem]").first).to_contain_text(markup)
    assert await page.locator("data-retention b").count() == 0
    assert "owned" not in (await page.title()).partition("·")[0]
