"""Node ids, by examples that GitHub gave."""

import pytest

from sandbox.github.world import node_ids
from sandbox.github.world.node_ids import NodeId

REPOSITORY = 109873129


@pytest.mark.parametrize(
    ("node_id", "typename", "key"),
    [
        ("MDU6SXNzdWU1MTMzNzA1MDI=", "Issue", 513370502),
        ("MDExOlB1bGxSZXF1ZXN0MTUxMjM5OTY0", "PullRequest", 151239964),
        ("MDE3OlB1bGxSZXF1ZXN0UmV2aWV3OTM0MDg2NTk=", "PullRequestReview", 93408659),
        ("I_kwDOBoyH6c5oG1Dj", "Issue", 1746620643),
        ("PR_kwDOBoyH6c5VyqVT", "PullRequest", 1439343955),
        ("PRR_kwDOBoyH6c5bgLal", "PullRequestReview", 1535162021),
    ],
)
def test_real_ids(node_id: str, typename: str, key: int) -> None:
    assert node_ids.parse(node_id) == NodeId(typename, key)
    made = node_ids.new(typename, REPOSITORY, key) if "_" in node_id else node_ids.old(typename, key)
    assert made == node_id


@pytest.mark.parametrize("key", [1, 2**31, 2**32 - 1, 2**32, 2**53])
def test_any_number_survives(key: int) -> None:
    assert node_ids.parse(node_ids.new("User", key)) == NodeId("User", key)
    assert node_ids.parse(node_ids.new("IssueComment", REPOSITORY, key)) == NodeId("IssueComment", key)
    assert node_ids.parse(node_ids.new("LabeledEvent", REPOSITORY, 5, key)) == NodeId("LabeledEvent", key)
    assert node_ids.parse(node_ids.old("IssueComment", key)) == NodeId("IssueComment", key)


def test_names() -> None:
    assert node_ids.parse(node_ids.new("Commit", REPOSITORY, "ab" * 20)) == NodeId("Commit", "ab" * 20)
    assert node_ids.repository_of("I_kwDOBoyH6c5oG1Dj") == REPOSITORY


@pytest.mark.parametrize(
    "text", ["", "x", "I_", "I_!!!", "NO_kwDOBoyH6c5oG1Dj", "I_kwDOBoyH6c5oG1", "MDU6", "é", "QUJD"]
)
def test_what_is_no_id(text: str) -> None:
    assert node_ids.parse(text) is None
