"""Parses the `Link` header, which holds the addresses of a REST list's other pages (RFC 8288)."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from errors import RetryNow
from github.answers.headers import parse_digits

_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w*]+\s*=\s*(?:\"[^\"]*\"|[^\s\",;]+))*)")
_RELATIONS = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\",;]+))", re.IGNORECASE)


def links(headers: Mapping[str, str]) -> dict[str, str]:
    """Returns the addresses in a `Link` header, by relation (`next`, `last`, `prev`, `first`).

    Raises `RetryNow` if an address is unreadable, because a list without the address of its next page would seem to end
    there.
    """
    found: dict[str, str] = {}
    for address, parameters in _LINK.findall(headers.get("Link", "")):
        try:
            urlsplit(address)
        except ValueError as error:
            raise RetryNow("bad_answer", f"a Link header holds an address that is none: {error}") from error
        for quoted, bare in _RELATIONS.findall(parameters):
            for relation in (quoted or bare).lower().split():
                found.setdefault(relation, address)
    return found


def query_of(address: str | None) -> str:
    """Returns the query string of an address. Returns an empty text if `address` is None."""
    return urlsplit(address).query if address else ""


def page_of(address: str | None) -> int | None:
    """Returns the page number in an address. Returns None if the address has no page number, as in a list that is read
    by cursors.
    """
    return parse_digits(parse_qs(query_of(address)).get("page", [""])[0])


def path_below(address: str | None, base: str) -> str | None:
    """Returns the path and query of an address, relative to the API's address `base`. The host is dropped, so that a
    token is never sent to another server. Returns None if `address` is None.
    """
    if address is None:
        return None
    parts = urlsplit(address)
    path = parts.path.removeprefix(urlsplit(base).path.rstrip("/"))
    return f"{path}?{parts.query}" if parts.query else path
