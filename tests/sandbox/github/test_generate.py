"""Generated repositories: always the same, of the size asked for, with everything that GitHub's data can hold."""

from typing import Any

import pytest

from sandbox.github import World
from sandbox.github.generation import Plan, measured, repository
from tests.support.sandbox.generated import END, fingerprint, threads


def test_the_same_seed_makes_the_same() -> None:
    made = [repository(World(), Plan("o/n", seed=seed), end=END) for seed in (1, 1, 2)]
    assert fingerprint(made[0]) == fingerprint(made[1])
    assert fingerprint(made[0]) != fingerprint(made[2])


def test_the_measured_shape() -> None:
    made = repository(World(), measured("o/n"), end=END)
    assert made.counts() == {
        "pull_requests": 1_000,
        "issues": 500,
        "reviews": 4_361,
        "review_comments": 4_343,
        "comments": 3_849,
        "discussions": 0,
        "discussion_comments": 0,
        "issue_events": 7_544,
        "stars": 0,
        "forks": 0,
        "releases": 0,
        "pushes": 0,
    }
    referred = [each for pull in made.pull_requests.values() for each in pull.events if "Referenced" in each.typename]
    assert 60 < sum(each.typename == "CrossReferencedEvent" for each in referred) < 140
    assert sum(len(pull.reviews) == 120 for pull in made.pull_requests.values()) == 20
    assert sum(len(thread.comments) == 130 for thread in threads(made)) == 7


def test_everything_that_data_can_hold() -> None:
    plan = Plan("o/n", 300, 200, collisions=20, nuls=0.05, long_bodies=0.01, wide_ids=0.2, teams=0.2)
    made = repository(World(), plan, end=END)
    written: list[Any] = threads(made) + [comment for thread in threads(made) for comment in thread.comments]
    written += [review for pull in made.pull_requests.values() for review in pull.reviews]
    assert any(each.author is None for each in written)
    assert {each.author.typename for each in written if each.author} == {"User", "Bot"}
    assert any("\0" in each.body for each in written)
    assert any(len(each.body) > 60_000 for each in written)
    assert any("😀" in each.body for each in written)
    assert any(2**31 <= each.database_id < 2**32 for each in written)
    assert any(each.database_id > 2**32 for each in written)
    assert len(made.issue_comments.keys() & made.review_comments.keys()) == 20
    pulls = made.pull_requests.values()
    assert {request.reviewer.typename for pull in pulls for request in pull.review_requests} == {"User", "Team"}
    assert {pull.state for pull in pulls} == {"OPEN", "CLOSED", "MERGED"}
    assert len({event.typename for thread in threads(made) for event in thread.events}) >= 18
    assert any(comment.reply_to for comment in made.review_comments.values())
    assert any(comment.position is None for comment in made.review_comments.values())
    assert any(issue.closed_by for issue in made.issues.values())


def test_dates_are_before_the_end_and_in_order() -> None:
    made = repository(World(), Plan("o/n", years=2), end=END)
    created = [made.thread(number).created_at for number in sorted(made.pull_requests.keys() | made.issues.keys())]
    assert created == sorted(created)
    assert "2024-03" <= created[0] < "2024-04"
    for thread in threads(made):
        moments = [comment.created_at for comment in thread.comments] + [each.created_at for each in thread.events]
        assert max([thread.created_at, *moments]) <= thread.updated_at <= END


def test_plans_are_parsed() -> None:
    assert Plan.parse("o/n") == Plan("o/n")
    assert Plan.parse("o/n?pull_requests=3&issues=0&reviews=1.5&seed=9") == Plan("o/n", 3, 0, 1.5, seed=9)
    for wrong in ("n", "o/n?moons=3", "o/n?issues=many", "o/n?issues", "a/b/c"):
        with pytest.raises(ValueError, match=r".+"):
            Plan.parse(wrong)


def test_no_name_twice() -> None:
    world = World()
    repository(world, Plan("o/n", 1, 1), end=END)
    with pytest.raises(ValueError, match="exists"):
        repository(world, Plan("O/N", 1, 1), end=END)


def test_small_and_lonely_plans() -> None:
    world = World()
    assert repository(world, Plan("o/nothing", 0, 0), end=END).counts()["issue_events"] == 0
    made = repository(world, Plan("o/ghosts", 5, 5, people=0), end=END)
    assert {thread.author for thread in threads(made)} == {None}
