"""A job that is counted in steps has the sums of a job that is counted whole."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from messages import Waiting
from progress.tally import Hold, Tally
from progress.views import RepositoryView
from tests.support.progress.jobs import NOW, job, part, repository

LATER = [None, *(NOW + timedelta(minutes=each) for each in (1, 2, 3))]
WAITS = st.one_of(
    st.none(),
    st.builds(
        Waiting,
        reason=st.sampled_from(["turn", "github_limit", "another_job"]),
        since=st.just(NOW),
        until=st.sampled_from(LATER),
        data_types=st.sampled_from([[], ["issues"]]),
    ),
)


@st.composite
def repositories(draw: st.DrawFn) -> RepositoryView:
    types = [
        part(
            name,
            draw(st.sampled_from(["pending", "in_progress", "completed", "failed", "skipped"])),
            stored=(stored := draw(st.integers(0, 9))),
            expected=draw(st.one_of(st.none(), st.integers(1, 9))),
            counts={name: stored, "comments": draw(st.integers(0, 9))},
        )
        for name in ("pull_requests", "issues", "events", "embeddings")
    ]
    of_it: dict[str, Any] = {"waiting": draw(WAITS), "waiting_until": draw(st.sampled_from(LATER))}
    return repository(*types, status=draw(st.sampled_from(["pending", "in_progress", "completed"])), **of_it)


def of(*its: RepositoryView) -> Tally:
    spent = sum(len(each.types) for each in its), sum(each.types[0].stored for each in its)
    return Tally.of(job(*its), spent, frozenset(each.status for each in its))


@settings(max_examples=30)
@given(st.lists(repositories(), max_size=6), st.integers(0, 6))
def test_two_parts_add_up_to_the_whole(its: list[RepositoryView], cut: int) -> None:
    assert of(*its[:cut]) + of(*its[cut:]) == of(*its)
    assert Tally.model_validate(of(*its).model_dump(mode="json")) == of(*its), "it is kept between two steps"


def test_a_job_waits_for_what_ends_first_if_none_of_its_repositories_goes_on() -> None:
    soon, late = (
        repository(waiting=Waiting(reason="github_limit", since=NOW, until=each), waiting_until=each)
        for each in LATER[1:3]
    )
    turn = repository(waiting=Waiting(reason="turn", since=NOW))
    held = Hold.of([late, turn]) + Hold.of([soon])
    assert (held.waiting, held.waiting_until) == (soon.waiting, soon.waiting_until)
    going = held + Hold.of([repository(part("issues"))])
    assert (going.waiting, going.waiting_until) == (None, None)
