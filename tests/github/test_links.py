"""REST's `Link` header."""

import pytest

from github.answers.links import links, page_of, path_below, query_of

API = "https://api.github.com"
NEXT = f"{API}/repositories/7/issues?per_page=100&page=2"
LAST = f"{API}/repositories/7/issues?per_page=100&page=9"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", {}),
        (f'<{NEXT}>; rel="next", <{LAST}>; rel="last"', {"next": NEXT, "last": LAST}),
        (f'<{NEXT}>;rel="next",<{LAST}>;rel="last"', {"next": NEXT, "last": LAST}),
        (f"<{NEXT}>; rel=next", {"next": NEXT}),
        (f'<{NEXT}>; title="a, b"; rel="NEXT"', {"next": NEXT}),
        (f'<{NEXT}>; rel="next last"', {"next": NEXT, "last": NEXT}),
        (f'<{API}/issues?labels=a,b>; rel="next"', {"next": f"{API}/issues?labels=a,b"}),
        (f"<{NEXT}>", {}),
        ("nonsense", {}),
    ],
)
def test_addresses_by_relation(header: str, found: dict[str, str]) -> None:
    assert links({"Link": header}) == found


def test_no_header_names_no_page() -> None:
    assert links({}) == {}


@pytest.mark.parametrize(
    ("address", "page"),
    [
        (LAST, 9),
        (f"{API}/issues?page=12&per_page=5", 12),
        (f"{API}/issues?after=Y3Vy", None),
        (None, None),
    ],
)
def test_the_number_of_a_page(address: str | None, page: int | None) -> None:
    assert page_of(address) == page


def test_the_query_of_a_page() -> None:
    assert query_of(NEXT) == "per_page=100&page=2"
    assert query_of(None) == ""


@pytest.mark.parametrize(
    ("address", "base", "path"),
    [
        (NEXT, API, "/repositories/7/issues?per_page=100&page=2"),
        ("https://ghe.example/api/v3/issues?page=2", "https://ghe.example/api/v3", "/issues?page=2"),
        ("https://elsewhere.example/issues?page=2", API, "/issues?page=2"),
        (f"{API}/issues", API, "/issues"),
        (None, API, None),
    ],
)
def test_a_path_is_asked_for_at_the_server_that_is_configured(address: str | None, base: str, path: str | None) -> None:
    assert path_below(address, base) == path
