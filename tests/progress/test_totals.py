"""Totals over all repositories: percentages never fall, and are not guessed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import DATA_TYPES, Waiting
from progress import totals
from progress.views import TypeView
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
        assert percents(repository(whole), data_types=["issues"]) == (99, {"issues": 99})
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
        assert percents(failed, data_types=["issues"], status="failed", failed_repositories=1)[0] == 99

    def test_an_empty_job_that_is_completed_is(self) -> None:
        assert percents(status="completed", data_types=["issues"]) == (100, {"issues": 100})


def test_embeddings_are_expected_of_every_thread() -> None:
    types = (
        part("issues", stored=50, expected=80),
        part("discussions", "skipped"),
        part("embeddings", stored=20, expected=40),
    )
    [issues, _, embeddings] = totals.of(
        job(repository(*types), data_types=["issues", "discussions", "embeddings"])
    ).types
    assert (issues.expected, embeddings.expected, embeddings.percent) == (80, 80, 25)


def test_a_corrected_count_changes_the_number_and_not_the_percentage() -> None:
    first = part("issues", stored=50, expected=100)
    corrected = part("issues", stored=50, expected=200, weight=100, share=0.5)
    assert percents(repository(first), data_types=["issues"]) == percents(repository(corrected), data_types=["issues"])
    assert totals.of(job(repository(corrected), data_types=["issues"])).progress.expected == 200


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
    """A sweep as its commits leave it."""

    def __init__(self, data_type: str) -> None:
        self.data_type, self.status, self.stored = data_type, "pending", 0
        self.expected: int | None = None
        self.weight: int | None = None
        self.share = 0.0

    def commit(self, stored: int, expected: int | None, status: str) -> None:
        if self.status not in ("pending", "in_progress"):
            return
        self.stored, self.expected, self.status = self.stored + stored, expected, status
        self.weight = expected if self.weight is None else self.weight
        self.share = max(self.share, min(self.stored / expected, 1.0) if expected else 0)

    @property
    def view(self) -> TypeView:
        given = {name: getattr(self, name) for name in ("stored", "expected", "weight", "share")}
        return part(self.data_type, self.status, **given)


NAMES = ("issues", "discussions", "events", "embeddings")
STATUSES = st.sampled_from(["in_progress"] * 6 + ["completed", "failed", "skipped"])
STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(NAMES), st.integers(0, 50), st.none() | st.integers(0, 400), STATUSES),
    max_size=60,
)


@given(STEPS)
def test_no_percentage_falls_whatever_is_committed(steps: list[tuple[int, str, int, int | None, str]]) -> None:
    """Expected numbers rise, fall and vanish; types end in any way and in any order."""
    sweeps = [{name: Simulated(name) for name in NAMES} for _ in range(3)]
    seen: dict[str, float] = {}
    for number, name, stored, expected, status in steps:
        sweeps[number][name].commit(stored, expected, status)
        its = job(
            *(repository(*(each.view for each in row.values()), name=f"octo/{at}") for at, row in enumerate(sweeps)),
            data_types=NAMES,
        )
        percents_now = {each.data_type: each.percent for each in totals.of(its).types}
        for what, percent in {**percents_now, "": totals.of(its).progress.percent}.items():
            assert percent is None or percent >= seen.get(what, 0), (what, percent, seen)
            assert percent is None or percent < 100 or what
            seen[what] = percent if percent is not None else seen.get(what, 0)


@pytest.mark.parametrize(("stored", "share"), [(0, 0), (50, 0.5), (200, 0.99)])
def test_a_share_counts_as_much_as_it_says(stored: int, share: float) -> None:
    its = part("issues", stored=stored, expected=100)
    assert totals.share_of(its, 100) == share


def test_a_repository_shows_as_many_embeddings_to_come_as_its_type_does() -> None:
    threads = part("issues", stored=40, expected=100)
    its = totals.with_expected_embeddings(repository(threads, part("embeddings", stored=40, expected=40)))
    over_all = totals.of(job(its, data_types=["issues", "embeddings"]))
    assert [each.expected for each in its.types] == [100, 100]
    assert [each.expected for each in over_all.types] == [100, 100]
    ended = part("embeddings", "completed", stored=98, expected=98)
    assert totals.with_expected_embeddings(repository(threads, ended)).types[-1].expected == 98
