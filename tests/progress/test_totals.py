"""Totals over all repositories: percentages never fall, and are not guessed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import DATA_TYPES, THREADS, Waiting
from progress import totals
from progress.views import DONE, Progress, TypeTotals, TypeView
from tests.support.progress.jobs import NOW, job, part, repository


def percents(*repositories: Any, **of_job: Any) -> tuple[float | None, dict[str, float | None]]:
    its = job(*repositories, **of_job)
    return totals.of(its).progress.percent, {each.data_type: each.percent for each in totals.of(its).types}


class TestUnknown:
    def test_a_type_without_a_total_has_no_percentage(self) -> None:
        known, unknown = part("issues", stored=5, expected=10), part("issues", stored=5)
        over_all, by_type = percents(repository(known), repository(unknown, name="octo/moon"), data_types=["issues"])
        assert (over_all, by_type) == (None, {"issues": None})

    def test_events_have_no_total_and_are_in_no_percentage(self) -> None:
        over_all, by_type = percents(
            repository(part("issues", stored=5, expected=10), part("events", stored=7)), data_types=["issues", "events"]
        )
        assert (over_all, by_type) == (50, {"issues": 50, "events": None})

    def test_an_ended_type_needs_no_total(self) -> None:
        gone = repository(part("issues", "failed"), name="octo/gone", status="failed")
        assert percents(gone, repository(part("issues", stored=5, expected=10)), data_types=["issues"])[0] == 50

    def test_a_job_that_has_not_begun_has_no_percentage(self) -> None:
        its = job(repository(*(part(each, "pending") for each in DATA_TYPES), status="pending"), status="pending")
        assert totals.of(its).progress.model_dump() == {"percent": None, "stored": 0, "expected": None}


class TestHundred:
    def test_it_is_not_said_before_all_is_complete(self) -> None:
        whole = part("issues", stored=10, expected=10)
        assert percents(repository(whole), data_types=["issues"]) == (99.9, {"issues": 99.9})
        many = [
            repository(part("issues", "completed", stored=9999, expected=9999)),
            repository(whole, name="octo/moon"),
        ]
        assert percents(*many, data_types=["issues"]) == (99.9, {"issues": 99.9})

    def test_it_is_not_said_while_the_job_still_has_to_end(self) -> None:
        whole = repository(part("issues", "completed", stored=10, expected=10), status="completed")
        assert percents(whole, data_types=["issues"]) == (99.9, {"issues": 100})

    def test_it_is_said_of_what_is_complete(self) -> None:
        types = (
            part("issues", "completed", stored=3, expected=3),
            part("events", "completed"),
            part("embeddings", "skipped"),
        )
        names = ["issues", "events", "embeddings"]
        ended = {"status": "completed", "completed_repositories": 1}
        assert percents(repository(*types, status="completed"), data_types=names, **ended) == (
            100,
            dict.fromkeys(names, 100),
        )

    def test_a_job_with_failures_is_not_at_hundred(self) -> None:
        failed = repository(part("issues", "failed", stored=10, expected=10), status="failed")
        assert percents(failed, data_types=["issues"], status="failed", failed_repositories=1)[0] == 99.9

    def test_an_empty_job_that_is_completed_is(self) -> None:
        assert percents(status="completed", data_types=["issues"]) == (100, {"issues": 100})


def test_embeddings_are_expected_of_every_thread() -> None:
    types = (part("issues", stored=50, expected=80), part("discussions", "skipped"), part("embeddings"))
    its = totals.with_expected_embeddings(repository(*types))
    [issues, _, embeddings] = totals.of(job(its, data_types=["issues", "discussions", "embeddings"])).types
    assert (issues.expected, embeddings.expected, embeddings.percent) == (80, 80, 0)


def test_a_percentage_is_what_is_stored_of_what_is_expected() -> None:
    """A total that was corrected from 950 to 633 showed 66 % beside 633 of 633."""
    corrected = part("issues", stored=600, expected=633, estimate=633)
    progress = totals.of(job(repository(corrected), data_types=["issues"])).progress
    assert (progress.percent, progress.stored, progress.expected) == (94.7, 600, 633)


def test_repositories_are_counted_by_what_their_type_does() -> None:
    waiting = Waiting(reason="github_limit", since=NOW, data_types=["issues"])
    turn = Waiting(reason="turn", since=NOW)
    its = job(
        repository(part("issues"), name="octo/a"),
        repository(part("issues"), name="octo/b", waiting=waiting),
        repository(part("issues", "pending"), name="octo/c", waiting=turn, status="pending"),
        repository(part("issues", "failed"), name="octo/d", status="failed"),
        data_types=["issues"],
    )
    [issues] = totals.of(its).types
    assert issues.status == "in_progress"
    assert issues.repositories.model_dump(exclude_defaults=True) == {
        "running": 1,
        "waiting": 1,
        "pending": 1,
        "failed": 1,
    }


class Simulated:
    """A sweep as its commits leave it: `store/sweeps.py: commit` does the same in SQL."""

    def __init__(self, data_type: str) -> None:
        self.data_type, self.status, self.stored, self.most_stored = data_type, "pending", 0, 0
        self.estimate: int | None = None
        self.left: int | None = None
        self.least_expected: int | None = None

    def commit(self, stored: int, estimate: int | None, status: str) -> None:
        self.stored = max(self.stored + stored, 0)
        self.most_stored = max(self.most_stored, self.stored)
        self.estimate, self.status = self.stored if status == "completed" else estimate, status
        if self.estimate is not None:
            self.left = least(self.left, max(self.estimate - self.stored, 0))
        if self.left is not None:
            self.least_expected = least(self.least_expected, self.stored + self.left)

    @property
    def view(self) -> TypeView:
        left = 0 if self.status in DONE else self.left
        expected = None if left is None else self.stored + left
        names = ("stored", "most_stored", "least_expected", "estimate")
        given = {name: getattr(self, name) for name in names}
        return part(self.data_type, self.status, **given, expected=expected, left=left, has_begun=self.left is not None)


def least(known: int | None, now: int) -> int:
    return now if known is None else min(known, now)


NAMES = ("issues", "discussions", "events", "embeddings")
STATUSES = st.sampled_from(["in_progress"] * 6 + ["completed", "failed", "skipped"])
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1), st.sampled_from(NAMES), st.integers(-5, 50), st.none() | st.integers(0, 400), STATUSES
    ),
    max_size=40,
)


@given(STEPS)
def test_no_percentage_falls_and_each_is_that_of_its_numbers(
    steps: list[tuple[int, str, int, int | None, str]],
) -> None:
    """Totals are corrected up and down and vanish, rows are deleted, and types end and are tried again in any order."""
    sweeps = [{name: Simulated(name) for name in NAMES} for _ in range(2)]
    known = [(number, name, 0, 200, "in_progress") for number in range(2) for name in ("issues", "discussions")]
    seen: dict[str, float] = {}
    for number, name, stored, estimate, status in (*known, *steps):
        sweep = sweeps[number][name]
        if sweep.status in DONE or (sweep.status == "failed" and sweep.left is None):
            continue
        total = expected_embeddings(sweeps[number]) if name == "embeddings" else estimate
        sweep.commit(stored, None if name == "events" else total, status)
        rows = (repository(*(each.view for each in row.values()), name=f"octo/{at}") for at, row in enumerate(sweeps))
        its = totals.of(job(*map(totals.with_expected_embeddings, rows), data_types=NAMES))
        deleted = sum(each.most_stored - each.stored for row in sweeps for each in row.values())
        named: list[tuple[Progress | TypeTotals, str]] = [(its.progress, ""), *((it, it.data_type) for it in its.types)]
        for shown, what in named:
            assert (shown.percent is None) or shown.expected is not None
            if shown.percent is None:
                continue
            assert shown.percent >= seen.get(what, 0), (what, shown.percent, seen)
            assert shown.percent < 100 or getattr(shown, "status", "") in DONE
            if shown.percent < 100 and shown.expected and not deleted:
                quotient = 100 * shown.stored / shown.expected
                assert shown.percent == pytest.approx(min(quotient, 99.9), abs=0.11)
            seen[what] = shown.percent


def expected_embeddings(sweeps: dict[str, Simulated]) -> int | None:
    """Returns how many embeddings a commit expects, as `store/sweeps.py` does."""
    threads = [each for each in sweeps.values() if each.data_type in THREADS and each.status != "skipped"]
    total, smallest = 0, 0
    for each in threads:
        if each.left is None or each.least_expected is None:
            return None
        total, smallest = total + each.stored + each.left, smallest + each.least_expected
    return min(total, smallest) if sweeps["embeddings"].left is None else total


def test_a_repository_shows_as_many_embeddings_to_come_as_its_type_does() -> None:
    threads = part("issues", stored=40, expected=100)
    its = totals.with_expected_embeddings(repository(threads, part("embeddings", stored=40, expected=100)))
    over_all = totals.of(job(its, data_types=["issues", "embeddings"]))
    assert [each.expected for each in its.types] == [100, 100]
    assert [each.expected for each in over_all.types] == [100, 100]
    ended = part("embeddings", "completed", stored=98, expected=98)
    assert totals.with_expected_embeddings(repository(threads, ended)).types[-1].expected == 98
