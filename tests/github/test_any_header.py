"""Whatever stands in an answer's headers is a value, or nothing was said, or the answer is asked for again."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.account import Ask
from errors import RetryNow
from github.answers.grants import grant
from github.answers.links import links, page_of, path_below, query_of
from github.answers.reading import Raw, all_windows, read_rest
from github.answers.refusals import wait_of
from github.clock import asked_at, date_of, now_by

BASE = "https://api.github.com/"
TEXTS = st.text(max_size=30) | st.text(st.characters(max_codepoint=0x7F), max_size=30)
NUMBERS = st.integers(-(10**20), 10**20).map(str) | st.sampled_from(
    ["", "0", "²", "1e9", "NaN", "9" * 5_000, " 7", "+7"]
)
DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Tue", "Mon", ""]),
    st.integers(-1, 40),
    st.sampled_from(["Nov", "Feb", "November", "13", ""]),
    st.sampled_from(["0000", "0001", "0099", "0100", "1601", "1969", "2026", "9999", "10000", "26", "x"]),
    st.integers(-1, 25),
    st.integers(-1, 61),
    st.integers(-1, 61),
    st.sampled_from(["GMT", "UTC", "-0000", "+2359", "-2400", "+9999", "-9999", "EST", ""]),
)
ADDRESSES = st.sampled_from(
    [
        "https://api.github.com/x?page=7",
        "https://[",
        "https://[::1",
        "//[x]",
        "http://a:b/?page=²",
        "?page=" + "9" * 5_000,
    ]
)
ADDRESSES |= TEXTS | st.builds("https://{}/{}?page={}".format, TEXTS, TEXTS, NUMBERS)
LINKS = st.lists(
    st.builds(
        "<{}>; rel={}".format, ADDRESSES, st.sampled_from(["next", '"next last"', "last", '"prev', "NEXT; rel=last"])
    ),
    max_size=3,
).map(", ".join)
SSO = st.builds("required; url={}".format, ADDRESSES) | st.just("partial-results; organizations=1,2")
ANY = TEXTS | NUMBERS | DATES | LINKS | SSO
SAID = {
    "link": LINKS,
    "date": DATES,
    "retry-after": NUMBERS | DATES,
    "x-ratelimit-limit": NUMBERS,
    "x-ratelimit-used": NUMBERS,
    "x-ratelimit-remaining": NUMBERS,
    "x-ratelimit-reset": NUMBERS,
    "x-github-sso": SSO,
    "x-accepted-github-permissions": TEXTS,
}
HEADERS = st.fixed_dictionaries({}, optional={name: its | ANY for name, its in SAID.items()}).map(
    lambda headers: {"Link": headers.pop("link", ""), **headers, "Date": headers.pop("date", "")}
)


@given(headers=HEADERS)
def test_a_moment_is_one_or_our_own(headers: dict[str, str]) -> None:
    told = date_of(headers)
    assert told is None or told.tzinfo is UTC
    assert now_by(headers) == told or abs((now_by(headers) - datetime.now(UTC)).total_seconds()) < 60
    assert asked_at(headers, 0.2) <= now_by(headers)


@given(headers=HEADERS)
def test_a_wait_is_bounded(headers: dict[str, str]) -> None:
    assert 0 <= (wait_of(headers) or 0) <= 3_660


@given(headers=HEADERS)
def test_pages_are_addresses_and_numbers(headers: dict[str, str]) -> None:
    with suppress(RetryNow):
        for address in (None, *links(headers).values()):
            query_of(address)
            page = page_of(address)
            assert page is None or page >= 0
            path = path_below(address, BASE)
            assert path is None or not path.startswith("https://")


@given(headers=HEADERS, words=st.sampled_from(["saml", "", "Resource not accessible by integration"]))
def test_a_person_is_always_told_what_to_do(headers: dict[str, str], words: str) -> None:
    assert grant(words, headers | {"X-GitHub-SSO": headers.get("x-github-sso", "")})


@given(headers=HEADERS)
def test_an_answer_is_read_whatever_its_headers_say(headers: dict[str, str]) -> None:
    raw = Raw(200, headers, b"[]", 0.2)
    with suppress(RetryNow):
        answer = read_rest(Ask("core", "issues/comments"), raw, BASE)
        assert answer.data == []
        all_windows(raw, answer)


@pytest.mark.parametrize("address", ["https://[", "https://[::1", "//[x]"])
def test_an_address_that_cannot_be_read_does_not_end_a_list(address: str) -> None:
    with pytest.raises(RetryNow, match="bad_answer"):
        links({"Link": f"<{address}>; rel=next"})
