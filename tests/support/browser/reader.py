"""A person who reads the page, and the browser's complaints meanwhile."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

Theme = Literal["light", "dark"]
PHONE = (360, 740)
DESK = (1280, 900)
NOT_ANSWERED = r"Failed to load resource"
"""What a browser says of every answer that is an error, and of every server that is gone."""
STYLES_OF_AXE = r"Applying inline style|CSP: style-src-elem inline"
"""axe-core adds a style sheet while it looks; the page's own are files."""

RECORD_VIOLATIONS = """
addEventListener('securitypolicyviolation', event =>
  console.error(`CSP: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


@dataclass
class Reader:
    """A browser context with one page. `complaints` are errors and warnings on the console, exceptions, and violations
    of the content security policy. `asked` are all addresses that it requested.
    """

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    """Complaints, and those that were expected."""
    asked: list[str] = field(default_factory=list)
    _expected: list[str] = field(default_factory=list)

    def expects(self, pattern: str) -> None:
        """From now on, a complaint that matches the pattern does not count."""
        self._expected.append(pattern)

    def _complain(self, text: str) -> None:
        self.heard.append(text)
        if not any(re.search(each, text) for each in self._expected):
            self.complaints.append(text)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complain(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def watch(self) -> None:
        """From now on, the browser's complaints are recorded."""
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._complain(f"exception: {error}"))
        self.page.on("request", self._ask)

    def _ask(self, request: Request) -> None:
        self.asked.append(request.url)

    async def violations(self, *rules: str) -> list[str]:
        """Returns what axe-core finds wrong with the page: rule, place and description. Without `rules`, all rules are
        checked.
        """
        self.expects(STYLES_OF_AXE)
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        found = await Axe().run(self.page, options=options | ({"runOnly": list(rules)} if rules else {}))
        self._expected.remove(STYLES_OF_AXE)
        return [
            f"{each['id']} at {node['target']}: {node['failureSummary']} {node['html'][:200]}"
            for each in found.response["violations"]
            for node in each["nodes"]
        ]

    async def scrolls_sideways(self) -> bool:
        """Returns whether the page is wider than the window."""
        wider: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return wider


async def reader(
    browser: Browser,
    *,
    theme: Theme = "light",
    size: tuple[int, int] = DESK,
    locale: str = "en-GB",
    zone: str = "UTC",
    **options: Any,
) -> Reader:
    """Opens a browser context, which the caller closes. Motion is reduced, so that nothing is half faded."""
    context = await browser.new_context(
        color_scheme=theme,
        viewport={"width": size[0], "height": size[1]},
        locale=locale,
        timezone_id=zone,
        reduced_motion="reduce",
        **options,
    )
    await context.add_init_script(RECORD_VIOLATIONS)
    made = Reader(context, await context.new_page())
    made.watch()
    return made
