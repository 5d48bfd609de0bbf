"""What happened to a job, newest first, without an id of a person."""

from datetime import timedelta
from typing import Any

from messages import Waiting
from progress.timeline import MOST_EVENTS, EndedRepository, PastWait, Story, events
from progress.views import JobSummary
from tests.support.progress.jobs import NOW, job

ME = "user:0b0e6c1c-0000-4000-8000-000000000001"


def at(minutes: int) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


def story(**given: Any) -> Story:
    of_job = {"created_at": NOW, "started_at": NOW, **given.pop("job", {})}
    facts = {"bought_at": None, "began_at": NOW, "as_of": NOW, "unshown": 0, **given}
    return Story(JobSummary.model_validate(job(**of_job).model_dump()), **facts)


def test_a_job_from_purchase_to_its_end() -> None:
    waiting = Waiting(reason="github_limit", since=NOW + timedelta(minutes=5), until=NOW + timedelta(minutes=30))
    found = events(
        story(
            job={"status": "completed", "completed_at": NOW + timedelta(hours=1), "completed_repositories": 0},
            bought_at=NOW - timedelta(minutes=1),
            audit=[
                {"at": at(40), "action": "pause", "who": ME, "source": "api"},
                {"at": at(41), "action": "resume", "who": "operator:ann", "source": "cli"},
                {"at": at(42), "action": "retry", "who": "x", "source": "signal", "repositories": ["octo/a"]},
            ],
            waits=[PastWait(waiting, NOW + timedelta(minutes=31))],
            repositories=[
                EndedRepository("octo/a", NOW + timedelta(minutes=39), "issues: gone: it is gone"),
                EndedRepository("octo/b", NOW + timedelta(minutes=50), None),
            ],
        ),
        ME,
    )
    assert [(each.kind, each.who, each.repository) for each in reversed(found)] == [
        ("bought", None, None),
        ("asked", "the purchase", None),
        ("started", None, None),
        ("waiting", None, None),
        ("resumed_from_wait", None, None),
        ("repository_failed", None, "octo/a"),
        ("paused", "you", None),
        ("resumed", "an operator", None),
        ("retried", "somebody in Temporal", None),
        ("repository_completed", None, "octo/b"),
        ("completed", None, None),
    ]
    assert found[2].text.text == "Asked to try again: octo/a"


def test_another_member_is_not_named() -> None:
    audit = [{"at": at(0), "action": "cancel", "who": ME, "source": "api"}]
    [asked] = [each for each in events(story(audit=audit), "user:other") if each.kind == "cancel_asked"]
    assert asked.who == "a member"
    assert ME.partition(":")[2] not in str(events(story(audit=audit), "user:other"))


def test_of_many_repositories_the_latest_are_told() -> None:
    ended = [EndedRepository(f"octo/{number}", NOW + timedelta(seconds=number), None) for number in range(1_000)]
    found = events(story(repositories=ended), None)
    assert (len(found), found[0].repository) == (MOST_EVENTS, "octo/999")
