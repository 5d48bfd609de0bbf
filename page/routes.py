"""Serves the settings page and the modules of its web component.

`GET /workspaces/{id}/settings/data-retention` serves a page without data. The component in the page calls the API with
the reader's token. `GET /static/{name}` serves the files of `page/static` unchanged, because there is no build step.
"""

import gzip
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent
CONTENT_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
ENTRY = ("token.js", "page.js")
"""The shell's scripts, in order. `token.js` imports nothing, so it runs before the others have arrived."""

PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # Text of others can never become HTML: the browser refuses to assign a string to innerHTML and its like.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PAGE_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": PAGE_POLICY,
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Browsers ask each time and are mostly told 304: after a deploy nobody runs a mixture of old and new modules.
    "Cache-Control": "no-cache",
}
STATIC_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class _File:
    body: bytes
    packed: bytes
    """The body, compressed with gzip."""
    content_type: str
    tag: str

    @classmethod
    def of(cls, body: bytes, content_type: str) -> "_File":
        return cls(body, gzip.compress(body, mtime=0), content_type, hashlib.sha256(body).hexdigest()[:32])


class Page:
    """The settings page and its files. The files are read once, when the object is made. Pages of `origins` may load
    the component, too.
    """

    def __init__(self, origins: Collection[str] = ()) -> None:
        self._origins = frozenset(origins)
        self._files = {
            path.name: _File.of(path.read_bytes(), CONTENT_TYPES[path.suffix])
            for path in sorted((FOLDER / "static").iterdir())
            if path.suffix in CONTENT_TYPES
        }
        templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._shell = templates.get_template("data_retention.html")
        self._not_found = templates.get_template("not_found.html").render().encode()

    def add_to(self, app: web.Application) -> None:
        """Adds the page's routes to the application, for GET and HEAD."""
        app.router.add_get("/workspaces/{id}/settings/data-retention", self.settings_page)
        app.router.add_get("/static/{name}", self.static_file)

    @property
    def modules(self) -> list[str]:
        """The modules of the component. The page names all of them, so that the browser requests them at once."""
        return [name for name in self._files if name.endswith(".js") and name not in ENTRY]

    async def settings_page(self, request: web.Request) -> web.StreamResponse:
        """Serves the page. The page is the same for every workspace, even for one that does not exist. Only the API
        checks what the reader may see. For an id that no workspace can have, serves a page that says so.
        """
        try:
            workspace = UUID(request.match_info["id"])
        except ValueError:
            return web.Response(
                status=404, body=self._not_found, content_type="text/html", charset="utf-8", headers=PAGE_HEADERS
            )
        html = self._shell.render(workspace=workspace, entry=ENTRY, modules=self.modules)
        return _answer(request, _File.of(html.encode(), "text/html"), PAGE_HEADERS)

    async def static_file(self, request: web.Request) -> web.StreamResponse:
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        headers = STATIC_HEADERS | self._crossing(request)
        if file.content_type == "image/svg+xml":
            # A stylesheet asks for its pictures without CORS, and this header would keep them from a host's page.
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return _answer(request, file, headers)

    def _crossing(self, request: web.Request) -> dict[str, str]:
        """Returns the CORS headers for a static file. The headers are needed because browsers fetch modules with CORS,
        and the component also fetches its stylesheet with CORS.
        """
        if not self._origins:
            return {}
        origin = request.headers.get("Origin", "")
        return {"Vary": "Accept-Encoding, Origin"} | (
            {"Access-Control-Allow-Origin": origin} if origin in self._origins else {}
        )


def _answer(request: web.Request, file: _File, headers: Mapping[str, str]) -> web.Response:
    """Returns the file as the answer, or an answer with status 304 if the caller already has this file."""
    # A weak one: packed or not, it is the same file.
    tagged = {"Vary": "Accept-Encoding", **headers, "ETag": f'W/"{file.tag}"'}
    if any(known.value in ("*", file.tag) for known in request.if_none_match or ()):
        return web.Response(status=304, headers=tagged)
    body = file.body
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        body, tagged["Content-Encoding"] = file.packed, "gzip"
    return web.Response(body=body, content_type=file.content_type, charset="utf-8", headers=tagged)
