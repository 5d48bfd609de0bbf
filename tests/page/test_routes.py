"""The settings page over HTTP: a shell without data, its modules, and what browsers are told of both."""

import gzip
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from page.routes import ENTRY, FOLDER, PAGE_HEADERS, STATIC_HEADERS, Page
from tests.support.serving import serving

STATIC = FOLDER / "static"
FILES = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir())}
MODULES = [name for name in FILES if name.endswith(".js")]
ORIGIN = "https://app.example.com"
WORKSPACE = "0f3f2c3e-1c5c-4f0c-9f0e-0d8b7f1f2a11"
SHELL = f"/workspaces/{WORKSPACE}/settings/data-retention"
IMPORT = re.compile(r"""^\s*(?:import|export)\b[^;]*?["'](\./[^"']+)["'];""", re.MULTILINE)


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    app = web.Application()
    Page([ORIGIN]).add_to(app)
    async with serving(app) as url, aiohttp.ClientSession(url) as session:
        yield session


async def text_of(http: aiohttp.ClientSession, path: str) -> str:
    async with http.get(path) as response:
        assert response.status == 200
        return await response.text()


def imports_of(module: Path) -> set[str]:
    return {found.removeprefix("./") for found in IMPORT.findall(module.read_text())}


class TestShell:
    async def test_it_differs_between_workspaces_in_their_id_alone(self, http: aiohttp.ClientSession) -> None:
        other = str(uuid.uuid4())
        one = await text_of(http, SHELL)
        assert WORKSPACE in one
        assert one.replace(WORKSPACE, other) == await text_of(http, SHELL.replace(WORKSPACE, other))

    @pytest.mark.parametrize("workspace", ["acme", "%22%3E%3Cscript%3E", "0f3f2c3e"])
    async def test_what_is_no_workspace_id_is_a_page_that_says_so(
        self, http: aiohttp.ClientSession, workspace: str
    ) -> None:
        async with http.get(f"/workspaces/{workspace}/settings/data-retention") as response:
            assert (response.status, response.content_type) == (404, "text/html")
            assert response.headers["Content-Security-Policy"] == PAGE_HEADERS["Content-Security-Policy"]
            html = await response.text()
            assert "This address holds no workspace's id" in html
            assert "script" not in html and workspace not in html.replace("cme", "")

    async def test_nothing_in_it_is_inline_and_nothing_comes_from_another_host(
        self, http: aiohttp.ClientSession
    ) -> None:
        html = await text_of(http, SHELL)
        assert re.findall(r"<script[^>]*>([^<]*)</script>", html) == [""] * len(ENTRY)
        assert "<style" not in html
        assert not re.search(r"\s(?:style|on[a-z]+)=", html)
        addresses = re.findall(r'(?:src|href)="([^"]*)"', html)
        assert addresses and all(each.startswith("../../../static/") for each in addresses)

    async def test_its_policy_allows_its_own_files_and_nothing_else(self, http: aiohttp.ClientSession) -> None:
        async with http.get(SHELL) as response:
            policy = dict(each.split(" ", 1) for each in response.headers["Content-Security-Policy"].split("; "))
            assert policy.pop("default-src") == "'none'"
            assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
            assert {policy[name] for name in ("frame-ancestors", "base-uri", "form-action")} == {"'none'"}
            assert policy["require-trusted-types-for"] == "'script'"
            assert "unsafe" not in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["X-Frame-Options"] == "DENY"
            assert response.headers["Referrer-Policy"] == "no-referrer"

    async def test_no_other_origin_may_read_it(self, http: aiohttp.ClientSession) -> None:
        async with http.get(SHELL, headers={"Origin": ORIGIN}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers

    async def test_it_names_every_module_that_the_component_needs(self, http: aiohttp.ClientSession) -> None:
        needed, found = {"data-retention.js"}, set[str]()
        while needed - found:
            found |= needed
            needed = set().union(*(imports_of(STATIC / name) for name in found))
        preloaded = set(re.findall(r'modulepreload" href="[./]*/static/([^"]+)"', await text_of(http, SHELL)))
        assert preloaded == found


class TestStaticFiles:
    @pytest.mark.parametrize("name", FILES)
    async def test_a_file_is_served_as_it_is_and_not_sent_again(self, http: aiohttp.ClientSession, name: str) -> None:
        async with http.get(f"/static/{name}") as response:
            assert response.status == 200
            assert await response.read() == FILES[name]
            kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
            assert response.content_type == kinds[name.rpartition(".")[2]]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            tag = response.headers["ETag"]
        async with http.get(f"/static/{name}", headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")

    @pytest.mark.parametrize("name", ["nothing.js", "..%2froutes.py", "%2e%2e/routes.py", "..%2ftemplates%2fx.html"])
    async def test_nothing_else_is_served(self, http: aiohttp.ClientSession, name: str) -> None:
        async with http.get(f"/static/{name}") as response:
            assert response.status == 404

    @pytest.mark.parametrize(("accepted", "encoding"), [("gzip, br", "gzip"), ("identity", None)])
    async def test_a_file_is_packed_for_who_can_unpack_it(
        self, http: aiohttp.ClientSession, accepted: str, encoding: str | None
    ) -> None:
        async with http.get("/static/data-retention.js", headers={"Accept-Encoding": accepted}) as response:
            assert response.headers.get("Content-Encoding") == encoding
            assert await response.read() == FILES["data-retention.js"]

    async def test_a_named_origin_may_load_the_component(self, http: aiohttp.ClientSession) -> None:
        async with http.get("/static/data-retention.js", headers={"Origin": ORIGIN}) as response:
            assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert response.headers["Vary"] == "Accept-Encoding, Origin"

    async def test_pictures_alone_may_be_shown_by_pages_that_ask_without_cors(
        self, http: aiohttp.ClientSession
    ) -> None:
        """A stylesheet's pictures come so, and nothing but pictures can be seen of them."""
        for name, policy in (("check.svg", "cross-origin"), ("data-retention.css", "same-origin")):
            async with http.get(f"/static/{name}") as response:
                assert response.headers["Cross-Origin-Resource-Policy"] == policy

    @pytest.mark.parametrize("origin", ["https://evil.example", f"{ORIGIN}.evil.example", "null"])
    async def test_another_origin_may_not(self, http: aiohttp.ClientSession, origin: str) -> None:
        async with http.get("/static/data-retention.js", headers={"Origin": origin}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
            assert response.headers["Vary"] == "Accept-Encoding, Origin"


class TestModules:
    """What the policy forbids, and what no test in a browser might come by."""

    @pytest.mark.parametrize("module", MODULES)
    def test_no_text_becomes_html_or_code(self, module: str) -> None:
        words = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser")
        source = (STATIC / module).read_text()
        assert not [word for word in words if word in source]

    @pytest.mark.parametrize("module", MODULES)
    def test_a_module_imports_only_its_neighbours(self, module: str) -> None:
        imported = re.findall(r"""^\s*import\b[^;]*?["']([^"']+)["'];""", (STATIC / module).read_text(), re.MULTILINE)
        assert {each.removeprefix("./") for each in imported} <= set(MODULES)
        assert all(each.startswith("./") for each in imported)

    @pytest.mark.parametrize("module", [*MODULES, "data-retention.css", "page.css"])
    def test_nothing_names_another_host(self, module: str) -> None:
        assert set(re.findall(r"https?://[^\s\"']+", (STATIC / module).read_text())) <= {"http://www.w3.org/2000/svg"}

    def test_the_token_is_taken_out_of_the_address_before_other_modules_arrive(self) -> None:
        assert ENTRY[0] == "token.js"
        assert imports_of(STATIC / "token.js") == set()

    def test_what_a_reader_downloads_is_small(self) -> None:
        assert sum(len(gzip.compress(content)) for content in FILES.values()) < 60_000


def test_answers_are_checked_again_each_time() -> None:
    """After a deploy nobody runs a mixture of old and new modules."""
    assert PAGE_HEADERS["Cache-Control"] == STATIC_HEADERS["Cache-Control"] == "no-cache"
