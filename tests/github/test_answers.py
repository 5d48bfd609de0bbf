"""What GitHub's refusals and odd answers mean, one by one: status, headers and body against the error that they are."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from budget.account import LONGEST_WAIT, Ask
from errors import BackfillError, PartOver, RetryNow, TooLarge
from github.answers.reading import Raw, all_windows, read_graphql, read_rest, windows_of
from github.answers.refusals import (
    FieldsRefused,
    Gone,
    InvalidCursor,
    Limited,
    SchemaMismatch,
    ScopeMissing,
    SwitchedOff,
    Unauthorized,
    of_error,
)
from github.nodes.nulls import GoneNode, Hidden

ASK = Ask("graphql", "Issues", points=2)
REST = Ask("core", "issues/comments")
DATE = "Tue, 24 Nov 2026 12:00:00 GMT"
NOW = 1_795_521_600
"""`DATE` as GitHub counts seconds."""
HOUR = {"x-ratelimit-limit": "5000", "x-ratelimit-used": "5000", "x-ratelimit-remaining": "0"}
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
OVER = "API rate limit exceeded for user ID 1."
UNICORN = b"<!DOCTYPE html>\n<html><body><p>We had issues producing the response to your request.</p></body></html>"


def reset(seconds: float) -> dict[str, str]:
    return {"x-ratelimit-reset": str(round(NOW + seconds))}


def raw(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Raw:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Raw(status, {"Date": DATE, **(headers or {})}, body, 0.2)


def error(type_: str | None, message: str, data: Any = None, **more: Any) -> dict[str, Any]:
    return {"data": data, "errors": [({"type": type_} if type_ else {}) | {"message": message} | more]}


def refusal(answer: Raw) -> Exception:
    """Of a GraphQL answer, and of the same in REST unless it is one inside HTTP 200."""
    with pytest.raises(Exception) as told:
        read_graphql(ASK, answer)
    if answer.status != 200:
        with pytest.raises(type(told.value)):
            read_rest(REST, answer, "")
    return told.value


LIMITED: dict[str, tuple[Raw, float | None]] = {
    "primary, RATE_LIMITED inside 200": (raw(200, error("RATE_LIMITED", OVER), HOUR | reset(900)), 900),
    "primary, RATE_LIMIT inside 200": (raw(200, error("RATE_LIMIT", "try later"), HOUR | reset(900)), 900),
    "primary, by its words alone": (raw(200, error(None, OVER), HOUR | reset(900)), 900),
    "primary, 403": (raw(403, {"message": OVER}, HOUR | reset(900)), 900),
    "primary, 429": (raw(429, {"message": "Too many requests"}, HOUR | reset(900)), 900),
    "secondary, 403": (raw(403, {"message": SECONDARY}, {"retry-after": "60"}), 60),
    "secondary, 403 without retry-after": (raw(403, {"message": SECONDARY}), None),
    "secondary, 429": (raw(429, {"message": SECONDARY}, {"retry-after": "60"}), 60),
    "secondary, by retry-after alone": (raw(403, {"message": "Slow down"}, {"retry-after": "60"}), 60),
    "secondary, inside 200": (raw(200, error("RATE_LIMITED", SECONDARY), {"retry-after": "60"}), 60),
    "secondary, inside 200 by its words alone": (raw(200, error(None, SECONDARY)), None),
    "secondary, 200 in REST's shape": (raw(200, {"message": SECONDARY}, {"retry-after": "60"}), 60),
    "secondary, as it was called before": (
        raw(200, error(None, "You have triggered an abuse detection mechanism.")),
        None,
    ),
    "retry-after goes before the reset": (raw(403, {"message": OVER}, HOUR | reset(3_600) | {"retry-after": "1"}), 1),
    "a retry-after that is no number": (raw(403, {"message": OVER}, HOUR | reset(900) | {"retry-after": "soon"}), 900),
    "a retry-after that is a date": (
        raw(403, {"message": "Slow down"}, {"retry-after": "Tue, 24 Nov 2026 12:02:00 GMT"}),
        120,
    ),
    "a retry-after that is a date in the past": (raw(429, {"message": OVER}, {"retry-after": DATE}), 0),
    "a retry-after that says nothing is of a limit": (raw(403, {"message": "Slow down"}, {"retry-after": "-1"}), None),
    "a reset while something remains says nothing": (
        raw(403, {"message": SECONDARY}, {"x-ratelimit-remaining": "4000"} | reset(900)),
        None,
    ),
    "a reset of this second": (raw(403, {"message": OVER}, HOUR | reset(0)), 0),
    "a reset in the past": (raw(403, {"message": OVER}, HOUR | reset(-5)), None),
    "no headers": (raw(403, {"message": OVER}), None),
    "an absurd reset": (
        raw(403, {"message": OVER}, HOUR | {"x-ratelimit-reset": "9" * 30}),
        LONGEST_WAIT.total_seconds(),
    ),
    "an absurd retry-after": (
        raw(403, {"message": SECONDARY}, {"retry-after": "9" * 400}),
        LONGEST_WAIT.total_seconds(),
    ),
}


@pytest.mark.parametrize("name", LIMITED)
def test_a_limit_and_how_long_it_is(name: str) -> None:
    """retry-after; else, with nothing remaining, the reset; else GitHub does not say. Never over an hour."""
    answer, wait = LIMITED[name]
    told = refusal(answer)
    assert isinstance(told, Limited), repr(told)
    assert told.wait == wait


def test_without_githubs_clock_a_reset_is_compared_with_ours() -> None:
    answer = Raw(403, HOUR | {"x-ratelimit-reset": "1000000000"}, orjson.dumps({"message": OVER}), 0.2)
    told = refusal(answer)
    assert isinstance(told, Limited)
    assert told.wait is None


ERRORS: dict[str, tuple[Raw, type[Exception], str]] = {
    "401": (raw(401, {"message": "Bad credentials"}), Unauthorized, ""),
    "403, refused for good": (
        raw(403, {"message": "Resource not accessible by personal access token"}, {"x-ratelimit-remaining": "4999"}),
        PartOver,
        "forbidden",
    ),
    "404": (raw(404, {"message": "Not Found"}), Gone, "gone"),
    "409": (raw(409, {"message": "Git Repository is empty."}), PartOver, "empty"),
    "409 of something before GitHub": (raw(409, b"<html>Conflict</html>"), RetryNow, "http_409"),
    "410": (raw(410, {"message": "Issues are disabled for this repo"}), SwitchedOff, "disabled"),
    "422": (raw(422, {"message": "Pagination with the page parameter is limited"}), PartOver, "http_422"),
    "451": (raw(451, {"message": "Repository access blocked"}), PartOver, "taken_down"),
    "403, blocked for its terms of service": (
        raw(403, {"message": "Repository access blocked", "block": {"reason": "tos", "html_url": "https://x.example"}}),
        PartOver,
        "taken_down",
    ),
    "403, blocked without a reason": (raw(403, {"message": "Repository access blocked"}), PartOver, "taken_down"),
    "202": (raw(202, {}), RetryNow, "http_202"),
    "408": (raw(408, {"message": "Request timeout"}), RetryNow, "http_408"),
    "500": (raw(500, {"message": "Server Error"}), RetryNow, "http_500"),
    "413": (raw(413, b"<html>Request Entity Too Large</html>"), TooLarge, "http_413"),
    "413 in GitHub's words": (raw(413, {"message": "Too large"}), TooLarge, "http_413"),
    "502 as HTML": (raw(502, UNICORN), TooLarge, "http_502"),
    "502 as JSON": (raw(502, error(None, "We had issues (status 502)")), TooLarge, "http_502"),
    "504": (raw(504, UNICORN), TooLarge, "http_504"),
    "Something went wrong, inside 200": (
        raw(200, error(None, "Something went wrong while executing your query. Please include `A1:B2`.")),
        TooLarge,
        "too_large",
    ),
    "a timeout inside 200": (raw(200, error("TIMEOUT", "The query took too long")), TooLarge, "too_large"),
    "resource limits, inside 200 with what came": (
        raw(
            200,
            error(
                "RESOURCE_LIMITS_EXCEEDED",
                "Resource limits for this query exceeded.",
                {"repository": {"threads": {"nodes": [{"number": 1}, None]}}},
                path=["repository", "threads", "nodes", 1],
            ),
        ),
        TooLarge,
        "too_large",
    ),
    "resource limits, by the type alone": (
        raw(200, error("RESOURCE_LIMITS_EXCEEDED", "This took more than it may.")),
        TooLarge,
        "too_large",
    ),
    "too many nodes: a bug of ours": (
        raw(200, error("MAX_NODE_LIMIT_EXCEEDED", "This query requests up to 600,000 possible nodes.")),
        PartOver,
        "query_refused",
    ),
    "a query that GitHub does not understand": (
        raw(200, {"errors": [{"message": "Field 'x' doesn't exist", "extensions": {"code": "undefinedField"}}]}),
        SchemaMismatch,
        "query_refused",
    ),
    "a cursor that it does not take": (
        raw(200, error("INVALID_CURSOR_ARGUMENTS", "`x` does not appear to be a valid cursor.")),
        InvalidCursor,
        "invalid_cursor",
    ),
    "a repository that it has not": (
        raw(200, error("NOT_FOUND", "Could not resolve to a Repository", {"repository": None}, path=["repository"])),
        Gone,
        "gone",
    ),
    "a list that it forbids": (
        raw(200, error("FORBIDDEN", "Not accessible", {"repository": None}, path=["repository", "threads"])),
        PartOver,
        "forbidden",
    ),
    "a repository that was taken down": (
        raw(200, error(None, "Repository access blocked", {"repository": None})),
        PartOver,
        "taken_down",
    ),
    "a scope that the token lacks": (
        raw(200, error("INSUFFICIENT_SCOPES", "Your token has not been granted the required scopes")),
        ScopeMissing,
        "forbidden",
    ),
    "neither data nor an error": (raw(200, {"data": None}), RetryNow, "bad_answer"),
    "a good answer that was cut, which speaks of a rate limit": (
        raw(200, b'{"data": {"repository": {"threads": {"nodes": [{"title": "Mind the rate limit"'),
        RetryNow,
        "bad_answer",
    ),
}


@pytest.mark.parametrize("word", ["abuse-reports", "timeout", "saml"])
def test_a_name_in_a_message_is_no_word_of_github_s(word: str) -> None:
    unknown = f"Could not resolve to a Repository with the name 'acme/{word}'."
    assert type(refusal(raw(200, error("NOT_FOUND", unknown, path=["repository"])))) is Gone
    forbids = f"Although you appear to have the correct authorization, the `{word}` organization forbids this."
    for answer in (raw(403, {"message": forbids}), raw(200, error("FORBIDDEN", forbids))):
        told = refusal(answer)
        assert isinstance(told, PartOver), repr(told)
        assert told.code == "forbidden"


OF_A_PROXY = [
    *(203, 204, 206, 226, 300, 304, 307, 400, 402, 405, 406, 411, 412, 414, 415, 416, 417, 418, 421, 422, 423, 424),
    *(425, 426, 428, 431, 444, 499, 501, 505, 520, 530),
]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"message": null}', b'"Not Found"', b"{"])
@pytest.mark.parametrize("status", OF_A_PROXY)
def test_what_is_not_in_githubs_words_is_asked_again(status: int, body: bytes) -> None:
    told = refusal(raw(status, body))
    assert type(told) is RetryNow, repr(told)
    assert told.code == f"http_{status}"


@pytest.mark.parametrize(("status", "code"), [(404, "gone"), (410, "disabled")])
def test_what_is_not_there_is_gone_unless_a_proxys_page_says_so(status: int, code: str) -> None:
    for body in (b"", b"{}", b"Not Found"):
        told = refusal(raw(status, body))
        assert isinstance(told, PartOver), repr(told)
        assert told.code == code
    for page in (b"<html><h1>404 Not Found</h1></html>", b"\n <!DOCTYPE html>"):
        told = refusal(raw(status, page))
        assert type(told) is RetryNow, repr(told)


@pytest.mark.parametrize("status", [400, 405, 406, 411, 414, 415, 422, 428, 431])
def test_what_github_says_of_a_request_ends_the_part_in_its_words(status: int) -> None:
    told = refusal(raw(status, {"message": "Problems parsing JSON", "documentation_url": "https://docs.github.com"}))
    assert type(told) is PartOver, repr(told)
    assert told.code == f"http_{status}"
    assert told.message.endswith(": Problems parsing JSON")


@pytest.mark.parametrize("status", [206, 304, 421, 425])
def test_a_status_that_refuses_nothing_is_asked_again_in_any_words(status: int) -> None:
    told = refusal(raw(status, {"message": "Misdirected Request"}))
    assert type(told) is RetryNow, repr(told)


@pytest.mark.parametrize("name", ERRORS)
def test_a_refusal_is_one_error_of_the_taxonomy(name: str) -> None:
    answer, kind, code = ERRORS[name]
    told = refusal(answer)
    assert type(told) is kind, repr(told)
    if isinstance(told, BackfillError):
        assert told.code == code


def test_why_a_repository_was_taken_down_is_told() -> None:
    block = {"reason": "tos", "created_at": "2026-01-01T00:00:00Z", "html_url": "https://github.com/tos"}
    told = refusal(raw(403, {"message": "Repository access blocked", "block": block}))
    assert str(told) == (
        "taken_down: GitHub blocks Issues (403): Repository access blocked (tos, https://github.com/tos)"
    )
    told = refusal(raw(451, {"message": "Repository access blocked", "block": {"reason": "dmca"}}))
    assert str(told) == "taken_down: GitHub blocks Issues (451): Repository access blocked (dmca)"


def test_what_a_person_can_do_about_a_refusal_is_its_action() -> None:
    sso = {"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso?authorization_request=AAAB"}
    words = "Resource protected by organization SAML enforcement."
    entry = error("FORBIDDEN", words, {"repository": None}, path=["repository"], extensions={"saml_failure": True})
    for told in (refusal(raw(200, entry, sso)), refusal(raw(403, {"message": words}, sso))):
        assert isinstance(told, PartOver)
        assert told.action.endswith("of acme: https://github.com/orgs/acme/sso?authorization_request=AAAB")


@pytest.mark.parametrize("kind", ["FORBIDDEN", "NOT_FOUND", "INSUFFICIENT_SCOPES", None])
def test_a_refusal_below_a_list_is_of_its_place_alone(kind: str | None) -> None:
    words = "Resource protected by organization SAML enforcement."
    nodes = {"repository": {"threads": {"nodes": [{"number": 1}, None]}}}
    path = ["repository", "threads", "nodes", 1, "title"]
    answer = read_graphql(ASK, raw(200, error(kind, words, nodes, path=path)))
    assert answer.data["repository"]["threads"]["nodes"] == [{"number": 1}, Hidden(words)]


def test_a_thread_that_is_gone_and_a_field_that_is_hidden_refuse_nothing_else() -> None:
    answer = read_graphql(
        ASK,
        raw(
            200,
            {
                "data": {"nodes": [{"number": 1, "source": None}, None]},
                "errors": [
                    {"type": "NOT_FOUND", "path": ["nodes", 1], "message": "Could not resolve to a node"},
                    {"type": "FORBIDDEN", "path": ["nodes", 0, "source"], "message": "SAML"},
                ],
            },
        ),
    )
    assert answer.data["nodes"][0]["number"] == 1
    assert answer.data["nodes"][1] == GoneNode()
    assert answer.refused == {("nodes", 0, "source"): "SAML"}


def test_a_good_answer_with_nothing_remaining_is_good_and_tells_of_it() -> None:
    body = {"data": {"viewer": 1, "rateLimit": {"limit": 5000, "used": 5000, "resetAt": "2026-11-24T12:15:00Z"}}}
    good = raw(200, body, HOUR | reset(900))
    answer = read_graphql(ASK, good)
    assert answer.data["viewer"] == 1
    assert all_windows(good, answer) == ((5000, 5000, 900), (5000, 5000, 900))


@pytest.mark.parametrize(
    ("headers", "windows"),
    [
        (HOUR | reset(900), ((5000, 5000, 900),)),
        (HOUR | reset(-900), ((5000, 5000, -900),)),
        (HOUR, ()),
        (HOUR | {"x-ratelimit-reset": "soon"}, ()),
        ({}, ()),
        (HOUR | reset(3_600) | {"retry-after": "1"}, ()),
    ],
    ids=["as told", "in the past: the budget judges", "no reset", "no number", "no headers", "a false alarm"],
)
def test_the_window_that_headers_tell_of(headers: dict[str, str], windows: tuple[tuple[int, int, float], ...]) -> None:
    assert windows_of({"Date": DATE} | headers) == windows


def test_what_an_error_is_may_stand_in_its_extensions_alone() -> None:
    assert of_error({"message": "", "extensions": {"code": "NOT_FOUND"}}, {}).kind == "missing"
    assert of_error({"message": "", "type": "NOT_FOUND", "extensions": {"code": "FORBIDDEN"}}, {}).kind == "missing"


def test_of_several_repositories_none_is_taken_to_lack_the_permission_of_another() -> None:
    page = {"pullRequests": {"nodes": [{"commits": None}]}}
    path = ["n1", "pullRequests", "nodes", 0, "commits"]
    refused = error("FORBIDDEN", "Resource not accessible by integration", {"n0": page, "n1": page}, path=path)
    with pytest.raises(TooLarge):
        read_graphql(ASK, raw(200, refused), keep_lost=True)
    alone = error("FORBIDDEN", "Resource not accessible by integration", {"n0": page}, path=["n0", *path[1:]])
    with pytest.raises(FieldsRefused):
        read_graphql(ASK, raw(200, alone), keep_lost=True)
