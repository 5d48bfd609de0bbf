"""What was read of a small repository before its sweeps began is as good as their own first requests, and no better."""

from datetime import UTC, datetime

from github.transport.prefetched import Prefetched, PrefetchedAnswer

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def comments_of(*reviews: str) -> Prefetched:
    return Prefetched({"ReviewComments": PrefetchedAnswer(AT, "user:1", {each: {"id": each} for each in reviews})})


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
    assert unpacked.told == prefetched.told
