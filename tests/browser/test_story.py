"""What a customer sees, from the purchase to the last row, on the real system; and what when a part of it goes away."""

import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from sandbox.github.exchange.requests import Request
from sandbox.github.faults import Forbidden, Held
from tests.support.browser.opened import Open
from tests.support.browser.reader import NOT_ANSWERED, Reader
from tests.support.browser.stack import Stack, Workspace
from tests.support.waiting import PATIENCE, eventually

expect.set_options(timeout=PATIENCE * 1_000)

RECORD = """
(bar, name) => {
  const seen = (window[name] = [bar.getAttribute('aria-valuenow')]);
  const look = () => seen.push(bar.getAttribute('aria-valuenow'));
  new MutationObserver(look).observe(bar, { attributeFilter: ['aria-valuenow'] });
}
"""


@pytest.fixture(autouse=True)
async def _somebody_works_and_nothing_is_broken(stack: Stack) -> AsyncIterator[None]:
    if not stack.workers:
        await stack.start_worker()
    yield
    stack.github.faults.clear()


async def open_page(
    stack: Stack, open_reader: Open, workspace: Workspace, role: str = "owner", **options: Any
) -> Reader:
    """The settings page as somebody opens it whom the host hands a token."""
    reader = await open_reader(**options)
    await reader.page.goto(settings(stack, workspace, role))
    return reader


def settings(stack: Stack, workspace: Workspace, role: str, **claims: Any) -> str:
    token = workspace.token(role, **claims)
    return f"{stack.url}/workspaces/{workspace.id}/settings/data-retention#access_token={token}"


def headline(page: Page) -> Locator:
    return page.locator("[data-headline]")


def bar(page: Page, name: str) -> Locator:
    return page.get_by_role("progressbar", name=name)


def asks_for(*names: str) -> Any:
    """For a fault: requests about these repositories (owner/name)."""

    def asked(request: Request) -> bool:
        its = f"{request.variables.get('owner')}/{request.variables.get('name')}"
        return its in names or any(f"/repos/{name}/" in f"{request.path}/" for name in names)

    return asked


async def shares(page: Page, name: str) -> list[int]:
    """What a bar has shown since it was recorded."""
    return [int(each) for each in await page.evaluate(f"window.{name}") if each is not None]


async def is_under_way(page: Page, name: str) -> bool:
    return any(0 < each < 99 for each in await shares(page, name))


async def test_a_purchase_is_shown_from_its_first_second_to_its_last_row(stack: Stack, open_reader: Open) -> None:
    workspace = await stack.workspace(stack.repository("acme/rocket", pull_requests=40), stack.repository("acme/moon"))
    held, second = Held(), Held()
    stack.github.faults.add(second, times=None, operation="PullRequests", when=lambda it: bool(it.variables["after"]))
    stack.github.faults.add(held, times=None)
    reader = await open_page(stack, open_reader, workspace)
    page = reader.page
    await expect(headline(page)).to_contain_text("has not been bought")
    await stack.buy(workspace)
    await expect(page.get_by_text("The backfill has begun.").first).to_be_visible()
    await expect(headline(page)).to_contain_text("Fetching 1 year of history")
    await bar(page, "All of the history").evaluate(RECORD, "all")
    await bar(page, "Pull requests").evaluate(RECORD, "pulls")
    held.release()
    for name in ("all", "pulls"):
        # All totals are known by now, and all but the last pull requests are stored.
        await eventually(partial(is_under_way, page, name))
    second.release()
    await expect(headline(page)).to_contain_text("Complete as of")
    await expect(page.locator("[data-toast=good]")).to_contain_text("Complete as of")
    for name in ("all", "pulls"):
        shown = await shares(page, name)
        assert shown == sorted(shown), f"{name} went backwards"
        assert shown[-1] == 100
    stored = await stack.host.fetchval(
        """
        select count(*) from pull_requests where repository_id in
        (select repository_id from workspace_repositories where workspace_id = $1)
        """,
        workspace.id,
    )
    await expect(bar(page, "Pull requests")).to_have_attribute("aria-valuetext", re.compile(rf"{stored} of {stored}"))
    await expect(page.locator("[data-repository='acme/rocket']")).to_contain_text("Complete")


async def test_a_repository_that_failed_is_retried_by_its_button_and_completes(stack: Stack, open_reader: Open) -> None:
    workspace = await stack.workspace(stack.repository("acme/open"), stack.repository("acme/closed"))
    stack.github.faults.add(Forbidden(), times=None, when=asks_for("acme/closed"))
    page = (await open_page(stack, open_reader, workspace)).page
    await stack.buy(workspace)
    await expect(headline(page)).to_contain_text("Failed for 1 of 2 repositories")
    await expect(page.locator("[data-toast=bad]").last).to_contain_text("Failed for 1 of 2 repositories")
    row = page.locator("[data-repository='acme/closed']")
    await expect(row.locator("[data-problem]")).to_contain_text("What to do: ")
    assert await page.locator("tr[data-repository]").first.get_attribute("data-repository") == "acme/closed"
    stack.github.faults.clear()
    await row.get_by_role("button", name="Retry acme/closed").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Only what failed")
    await page.get_by_role("dialog").locator("[data-confirm]").click()
    await expect(headline(page)).to_contain_text("Complete as of")
    await expect(row).to_have_attribute("data-status", "completed")
    assert (await stack.job(workspace))["failed_repositories"] == 0


async def test_a_killed_worker_is_told_of_and_the_page_goes_on_with_the_next(stack: Stack, open_reader: Open) -> None:
    for each in list(stack.workers):
        await stack.kill(each)
    await stack.start_worker("workflows")
    sweeps = await stack.start_worker("recent,historical")
    held = Held()
    workspace = await stack.workspace(stack.repository("acme/held"))
    stack.github.faults.add(held, operation="Issues", when=asks_for("acme/held"))
    page = (await open_page(stack, open_reader, workspace)).page
    await stack.buy(workspace)
    await expect(headline(page)).to_contain_text("Fetching 1 year of history")
    await stack.kill(sweeps)
    held.release()
    stack.github.faults.clear()
    await expect(headline(page)).to_contain_text("Waiting since")
    await expect(headline(page)).to_contain_text("for a worker")
    await stack.start_worker("recent,historical")
    await expect(headline(page)).to_contain_text("Complete as of")


async def test_a_server_that_restarts_is_told_of_and_the_page_reconnects(stack: Stack, open_reader: Open) -> None:
    held = Held()
    workspace = await stack.workspace(stack.repository("acme/patient"))
    stack.github.faults.add(held, operation="Issues", when=asks_for("acme/patient"))
    reader = await open_page(stack, open_reader, workspace)
    page, connection = reader.page, reader.page.locator("[data-connection]")
    await stack.buy(workspace)
    await expect(headline(page)).to_contain_text("Fetching 1 year of history")
    await expect(connection).to_contain_text("Live")
    reader.expects(NOT_ANSWERED)
    await stack.stop_webhook()
    await expect(connection).to_contain_text("Not live: as of")
    await expect(page.locator("[data-outage]")).to_contain_text("The server does not answer")
    held.release()
    stack.github.faults.clear()
    await stack.until(workspace, "completed")
    await expect(headline(page)).to_contain_text("Fetching 1 year of history")
    await stack.start_webhook()
    await expect(headline(page)).to_contain_text("Complete as of")
    await expect(page.locator("[data-outage]")).to_be_hidden()
    await expect(connection).to_contain_text("Up to date")


async def test_pausing_and_resuming_needs_no_mouse(stack: Stack, open_reader: Open) -> None:
    held = Held()
    workspace = await stack.workspace(stack.repository("acme/keys"))
    stack.github.faults.add(held, operation="Issues", when=asks_for("acme/keys"))
    page = (await open_page(stack, open_reader, workspace)).page
    await stack.buy(workspace)
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()
    await tab_to(page, "Pause")
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Pause this backfill?")
    await expect(dialog).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    assert await focused(page) == "Pause", "focus is back where it was"
    await page.keyboard.press("Enter")
    await tab_to(page, "Pause", within=dialog)
    await page.keyboard.press("Enter")
    await expect(headline(page)).to_contain_text("Paused by")
    held.release()
    stack.github.faults.clear()
    await tab_to(page, "Resume")
    await page.keyboard.press("Enter")
    await tab_to(page, "Resume", within=page.get_by_role("dialog"))
    await page.keyboard.press("Space")
    await expect(headline(page)).to_contain_text("Complete as of")


FOCUSED = """
() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  return node;
}
"""


async def focused(page: Page) -> str:
    """What the focused element is called."""
    name: str = await page.evaluate(f"({FOCUSED})()?.textContent ?? ''")
    return name.strip()


async def tab_to(page: Page, name: str, within: Locator | None = None) -> None:
    """Presses Tab until the button of this name has the focus, in the dialog if given."""
    for _ in range(60):
        if await focused(page) == name:
            inside = f"Boolean(({FOCUSED})().closest('dialog'))"
            if within is None or await page.evaluate(inside):
                return
        await page.keyboard.press("Tab")
    pytest.fail(f"Tab never comes to {name!r}")


async def test_a_stranger_sees_nothing_of_the_workspace(stack: Stack, open_reader: Open) -> None:
    workspace = await stack.workspace(stack.repository("acme/secret"))
    await stack.buy(workspace)
    await stack.job(workspace)
    reader = await open_reader()
    reader.expects(NOT_ANSWERED)
    await reader.page.goto(settings(stack, workspace, "stranger"))
    await expect(reader.page.locator("[data-no-access]")).to_be_visible()
    name = await stack.host.fetchval("select name from workspaces where id = $1", workspace.id)
    content = await reader.page.locator("data-retention").inner_text()
    assert name not in content
    assert "acme/secret" not in content
    assert await reader.page.get_by_role("progressbar").count() == 0
    assert await reader.page.locator("[data-action]").count() == 0


async def test_a_viewer_sees_all_and_may_change_nothing(stack: Stack, open_reader: Open) -> None:
    workspace = await stack.workspace(stack.repository("acme/seen"), stack.repository("acme/broken"))
    stack.github.faults.add(Forbidden(), times=None, when=asks_for("acme/broken"))
    await stack.buy(workspace)
    await stack.until(workspace, "completed")
    owners = (await open_page(stack, open_reader, workspace)).page
    await expect(owners.get_by_role("button", name=re.compile("^(Retry|Fetch again)")).first).to_be_visible()
    for role in ("viewer", "editor"):
        page = (await open_page(stack, open_reader, workspace, role)).page
        await expect(headline(page)).to_contain_text("Failed for 1 of 2 repositories")
        await expect(page.locator("[data-problem]")).to_be_visible()
        changing = page.get_by_role("button", name=re.compile("Retry|Fetch|Pause|Resume|Cancel"))
        assert await changing.count() == 0


async def test_the_token_leaves_the_address_at_once_and_a_reload_keeps_it(stack: Stack, open_reader: Open) -> None:
    workspace = await stack.workspace(stack.repository("acme/address"))
    reader = await open_page(stack, open_reader, workspace)
    page, plain = reader.page, f"{stack.url}/workspaces/{workspace.id}/settings/data-retention"
    await page.wait_for_url(plain)
    await expect(headline(page)).to_contain_text("has not been bought")
    await page.reload()
    await expect(headline(page)).to_contain_text("has not been bought")
    assert page.url == plain
    assert not [each for each in reader.asked if "access_token" in each or "ey" in each.partition("#")[0]]
    assert {each.split("/")[2] for each in reader.asked} == {stack.url.split("/")[2]}, "no third party is asked"
    other = await reader.context.new_page()
    await other.goto(plain)
    await expect(other.get_by_role("textbox", name="Access token")).to_be_visible()
    assert stack.webhook is not None
    assert "access_token" not in stack.webhook.tail(10_000)


async def test_an_expired_token_is_said_and_forgotten_and_another_goes_on(stack: Stack, open_reader: Open) -> None:
    workspace = await stack.workspace(stack.repository("acme/expired"))
    reader = await open_reader()
    reader.expects(NOT_ANSWERED)
    await reader.page.goto(settings(stack, workspace, "owner", exp=int((await stack.now()).timestamp()) - 60))
    await expect(reader.page.get_by_role("textbox", name="Access token")).to_be_visible()
    assert await reader.page.evaluate("Object.values(sessionStorage).join('')") == ""
    await reader.page.get_by_role("textbox", name="Access token").fill(workspace.token("owner"))
    await reader.page.keyboard.press("Enter")
    await expect(headline(reader.page)).to_contain_text("has not been bought")
