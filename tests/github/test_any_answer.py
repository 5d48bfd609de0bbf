"""Whatever comes as an answer, from GitHub or from what stands before it, is an answer or an error of the taxonomy."""

import json
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.account import Ask
from errors import BackfillError, PartOver, RetryNow
from github.answers.reading import Raw, all_windows, decode, read_graphql, read_rest
from github.answers.refusals import Limited, Unauthorized

MEANT = (BackfillError, Limited, Unauthorized)

NAMES = st.sampled_from(
    ["data", "errors", "message", "type", "path", "extensions", "code", "repository", "threads", "n1", "nodes"]
)
NAMES |= st.sampled_from(["rateLimit", "cost", "limit", "used", "resetAt", "nodeCount", "problems", "saml_failure"])
WORDS = st.sampled_from(
    ["NOT_FOUND", "FORBIDDEN", "RATE_LIMITED", "INSUFFICIENT_SCOPES", "undefinedField", "2026-11-24T12:00:00Z"]
)
WORDS |= st.text(max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**20) | st.floats(allow_nan=False) | WORDS,
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(NAMES, deeper, max_size=4),
    max_leaves=12,
)
ENVELOPES = st.fixed_dictionaries({}, optional={"data": JSON, "errors": JSON | st.lists(JSON, max_size=2)})
OF_A_LIMIT = ["retry-after", *(f"x-ratelimit-{each}" for each in ("limit", "used", "remaining", "reset"))]
OF_A_TOKEN = ["x-github-sso", "x-oauth-scopes", "x-accepted-github-permissions"]
HEADERS = st.dictionaries(
    st.sampled_from([*OF_A_LIMIT, *OF_A_TOKEN, "date", "link", "content-type"]),
    st.sampled_from(["0", "60", "9" * 20, "²", "Tue, 24 Nov 2026 12:00:00 GMT", "<x>; rel=next", "a, b"])
    | st.text(max_size=20),
)
STATUSES = st.sampled_from([200, 200, 200, 202, 204, 301, 400, 401, 403, 404, 409, 410, 422, 429, 451, 500, 502, 503])


def answer(status: int, headers: dict[str, str], body: bytes) -> Raw:
    return Raw(status, headers, body, 0.2)


BODIES = (ENVELOPES | JSON).map(lambda content: json.dumps(content).encode()) | st.binary(max_size=60)
ANSWERS = st.builds(answer, STATUSES, HEADERS, BODIES)


@given(raw=ANSWERS, keep_lost=st.booleans())
def test_of_graphql(raw: Raw, keep_lost: bool) -> None:
    with suppress(*MEANT):
        all_windows(raw, read_graphql(Ask("graphql", "Issues", points=2), raw, keep_lost=keep_lost))


@given(raw=ANSWERS)
def test_of_rest(raw: Raw) -> None:
    with suppress(*MEANT):
        all_windows(raw, read_rest(Ask("core", "issues/comments"), raw, "https://api.github.com"))


@pytest.mark.parametrize(
    "content",
    [
        {"data": {}, "errors": "Something went wrong"},
        {"data": {}, "errors": [True]},
        {"data": {}, "errors": [{"message": "no", "extensions": "saml"}]},
        {"data": ["repository"]},
    ],
)
def test_what_is_no_answer_of_graphql_is_asked_for_again(content: Any) -> None:
    with pytest.raises(RetryNow, match=r"^bad_answer: "):
        read_graphql(Ask("graphql", "Issues", points=2), answer(200, {}, json.dumps(content).encode()))


def test_numbers_that_are_none_are_not_heard() -> None:
    told = {"x-ratelimit-limit": "²", "x-ratelimit-used": "1", "x-ratelimit-reset": "9", "retry-after": "³"}
    raw = answer(200, told, b'{"data": {"rateLimit": {"cost": "1", "limit": 1, "used": 1, "resetAt": "soon"}}}')
    read = read_graphql(Ask("graphql", "Issues", points=2), raw)
    assert (read.cost, all_windows(raw, read)) == (0, ())


def test_an_error_in_an_unreadable_place_is_one_of_all_that_was_asked() -> None:
    content = {"data": {"repository": {}}, "errors": [{"type": "FORBIDDEN", "message": "no", "path": 7}]}
    with pytest.raises(PartOver, match="forbidden"):
        read_graphql(Ask("graphql", "Issues", points=2), answer(200, {}, json.dumps(content).encode()))


@pytest.mark.parametrize("key", [r"a\u0000b", r"a\ud83d", r"\\u0000\u0000", r"\u0000\ud800"])
def test_names_of_fields_are_as_storable_as_values(key: str) -> None:
    content = decode(f'{{"data": [{{"{key}": "{key}"}}]}}'.encode())
    ((name, value),) = content["data"][0].items()
    assert name == value == name.encode().decode()
    assert "\x00" not in name


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_of_json_makes_an_answer_unreadable(number: str) -> None:
    assert decode(f'{{"data": {{"title": "\\ud83d", "size": {number}}}}}'.encode()) is None
    assert decode(f'{{"data": {{"size": {number}}}}}'.encode()) is None
    assert decode(rb'{"title": "\ud83d", "size": -1.5e3}') == {"title": "?", "size": -1500.0}


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**400])
@pytest.mark.parametrize("text", [r"\ud83d", r"\\u0000\u0000", r"\u0000", ""])
def test_a_number_of_any_length_beside_any_text_can_be_written_again(number: int, text: str) -> None:
    """Half a surrogate pair has the answer read by another parser, whose whole numbers have no bounds."""
    content = decode(f'{{"title": "{text}", "size": {number}, "small": 7}}'.encode())
    assert content is None or orjson.loads(orjson.dumps(content)) == {**content, "small": 7}
    assert (content is None) is (number == 10**400)


@pytest.mark.parametrize("text", [r"\ud83d", r"\\u0000\u0000", r"\u0000", ""])
@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_an_answer_that_is_nested_too_deeply_is_unreadable(text: str, depth: int) -> None:
    content = decode(b"[" * depth + f'"{text}"'.encode() + b"]" * depth)
    assert content is None or isinstance(content, list)
