"""Small repositories share requests that GitHub answers in time."""

from github.surveys import small
from github.surveys.small import Small
from messages import RepositoryRef


def repository(number: int, issues: int) -> Small:
    ref = RepositoryRef(
        repository_id=f"00000000-0000-4000-8000-{number:012}", github_id=number, full_name=f"o/{number}"
    )
    return Small(ref, {"issues": issues}, stars=False, forks=False, commits=False)


def test_as_many_share_a_request_as_two_points_pay_for() -> None:
    every = [repository(number, issues=20) for number in range(7)]
    assert [each.requests for each in every] == [81] * 7
    assert [len(each) for each in small.batches(every)] == [3, 3, 1]
    assert all(sum(it.requests for it in each) < 250 for each in small.batches(every))


def test_one_that_is_more_than_that_has_a_request_of_its_own() -> None:
    every = [repository(1, issues=5), repository(2, issues=70), repository(3, issues=5)]
    assert [len(each) for each in small.batches(every)] == [1, 1, 1]
