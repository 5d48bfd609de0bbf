"""What was read of a small repository before its sweeps began is as good as their own first requests, and no better."""

import zlib
from datetime import UTC, datetime, timedelta

import pytest

from github.transport.prefetched import Prefetched, PrefetchedAnswer

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def comments_of(*reviews: str) -> Prefetched:
    return Prefetched(reviews={each: PrefetchedAnswer(AT, "user:1", {"id": each}) for each in reviews})


def test_a_review_that_is_asked_for_again_is_read_again() -> None:
    prefetched = comments_of("R_1", "R_2")
    taken = prefetched.take("ReviewComments", {"ids": ["R_1"]})
    assert taken is not None
    assert taken.data == {"nodes": [{"id": "R_1"}]}
    assert prefetched.take("ReviewComments", {"ids": ["R_1"]}) is None, "two readings are two requests"
    assert prefetched.take("ReviewComments", {"ids": ["R_2"]}) is not None
    assert prefetched.spared() == 2


def test_comments_of_reviews_are_as_old_as_the_page_that_they_came_with() -> None:
    prefetched = comments_of("R_1")
    assert prefetched.take("PullRequestsById", {"ids": ["PR_1"]}) is None
    assert prefetched.take("ReviewComments", {"ids": ["R_1"]}) is None, "the thread was read again since"


def test_reviews_that_are_there_wait_for_none_that_is_not() -> None:
    prefetched = comments_of("R_1", "R_2")
    at_once = prefetched.reviews_at_once(["R_0", "R_1", "R_2"])
    assert at_once == ["R_1", "R_2"]
    assert prefetched.take("ReviewComments", {"ids": at_once}) is not None
    assert prefetched.reviews_at_once(["R_0"]) == []
    assert prefetched.take("ReviewComments", {"ids": ["R_0"]}) is None


def test_what_two_accounts_were_shown_is_two_answers() -> None:
    prefetched = comments_of("R_1", "R_2")
    prefetched.reviews["R_2"] = PrefetchedAnswer(AT - timedelta(seconds=1), "user:2", {"id": "R_2"})
    for review, account in (("R_1", "user:1"), ("R_2", "user:2")):
        assert prefetched.reviews_at_once(["R_1", "R_2"]) == [review]
        taken = prefetched.take("ReviewComments", {"ids": [review]})
        assert taken is not None
        assert taken.account == account


def test_the_first_page_is_taken_once_and_no_page_behind_it() -> None:
    prefetched = Prefetched({"Issues": PrefetchedAnswer(AT, "user:1", {"repository": {}})})
    assert prefetched.take("Issues", {"after": "cursor"}) is None
    taken = prefetched.take("Issues", {"after": None})
    assert taken is not None
    assert (taken.asked_at, taken.account) == (AT, "user:1")
    assert prefetched.take("Issues", {"after": None}) is None


def test_it_is_the_same_after_it_was_packed() -> None:
    prefetched = comments_of("R_1")
    unpacked = Prefetched()
    unpacked.unpack(prefetched.packed())
    assert (unpacked.told, unpacked.reviews) == (prefetched.told, prefetched.reviews)


def test_what_a_release_packed_that_asks_for_other_fields_is_asked_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = comments_of("R_1").packed()
    monkeypatch.setattr("github.transport.prefetched._revision", lambda: "another")
    unpacked = Prefetched()
    unpacked.unpack(packed)
    assert unpacked.reviews == {}
    # As releases before this one wrote it.
    unpacked.unpack(zlib.compress(b'{"Issues": ["2026-11-28T12:00:00+00:00", "user:1", {}]}'))
    assert unpacked.told == {}
