"""What queries cost, by the worked examples of GitHub's documentation and of ours."""

import pytest

from sandbox.github.graphql.pricing import points
from tests.support.sandbox.pricing import priced


def test_the_documented_cost() -> None:
    """Documented: 1 + 100 + 5,000 requests are 51 points."""
    found = priced(
        """{ viewer { login repositories(first: 100) { edges { node { id
            issues(first: 50) { edges { node { id labels(first: 60) { edges { node { id name } } } } } }
        } } } } }"""
    )
    assert (found.requests, found.cost) == (5_101, 51)


def test_the_documented_node_count() -> None:
    """Documented: 50 + 1,000 + 10,000 + 1,000 + 10,000 + 10 nodes."""
    found = priced(
        """{ viewer {
            repositories(first: 50) { edges { repository: node { name
                pullRequests(first: 20) { edges { pullRequest: node { title
                    comments(first: 10) { edges { comment: node { bodyText } } } } } }
                issues(first: 20) { totalCount edges { issue: node { title bodyText
                    comments(first: 10) { edges { comment: node { bodyText } } } } } }
            } } }
            followers(first: 10) { edges { follower: node { login } } }
        } }"""
    )
    assert found.node_count == 22_060


@pytest.mark.parametrize(
    ("requests", "cost"), [(0, 1), (1, 1), (100, 1), (149, 1), (150, 2), (249, 2), (250, 3), (5_101, 51)]
)
def test_points_are_rounded(requests: int, cost: int) -> None:
    assert points(requests) == cost


PAGE = """
query ($first: Int!, $deep: Boolean! = true) {
  repository(owner: "o", name: "n") {
    pullRequests(first: $first) { nodes {
      labels(first: 20) { nodes { name } }
      timelineItems(first: 100) @include(if: $deep) { nodes { ...Item } }
      commits { totalCount }
    } }
  }
}
fragment Item on PullRequestTimelineItems {
  ... on IssueComment { id }
  ... on PullRequestReview { id comments(first: 50) { totalCount } }
}
"""


def test_a_page_of_parents_costs_by_its_leaf_connections() -> None:
    """Our own: round((1 + kN) / 100), whatever the leaves' sizes; connections on timeline items come on top."""
    flat = priced(PAGE, first=25, deep=False)
    assert flat.requests == 1 + 2 * 25
    assert flat.node_count == 25 + 25 * 20
    deep = priced(PAGE, first=25, deep=True)
    assert deep.requests == 1 + 3 * 25 + 25 * 100
    assert deep.node_count == 25 + 25 * 20 + 25 * 100
    assert deep.asked == {"pullRequests", "labels", "timelineItems"}
    assert deep.page_size == 25


def test_ten_pull_requests_with_reviews_and_their_comments() -> None:
    """Documented by us: 10 x 100 x 50 costs 10 points."""
    found = priced(
        """{ repository(owner: "o", name: "n") { pullRequests(first: 10) { nodes {
            reviews(first: 100) { nodes { comments(first: 50) { nodes { id } } } } } } } }"""
    )
    assert (found.requests, found.cost) == (1_011, 10)
    assert found.node_count == 10 + 1_000 + 50_000


def test_node_lists_are_parents() -> None:
    text = """query ($ids: [ID!]!) { nodes(ids: $ids) {
        ... on PullRequestReview { comments(first: 100) { nodes { id } } } } }"""
    found = priced(text, ids=[str(number) for number in range(100)])
    assert (found.requests, found.cost, found.page_size) == (100, 1, 100)
    assert found.node_count == 100 + 100 * 100


def test_aliases_are_requests_of_their_own() -> None:
    page = "{ ... on PullRequest { timelineItems(first: 100) { nodes { __typename } } } }"
    found = priced("{" + " ".join(f'a{place}: node(id: "x") {page}' for place in range(25)) + "}")
    assert (found.requests, found.cost, found.node_count) == (25, 1, 2_500)


def test_fields_that_merge_are_one() -> None:
    found = priced(
        """{ repository(owner: "o", name: "n") {
            issues(first: 10) { nodes { id } } ...Rest issues(first: 10) { nodes { comments(first: 5) { totalCount } } }
        } } fragment Rest on Repository { issues(first: 10) { pageInfo { endCursor } } }"""
    )
    assert (found.requests, found.node_count) == (1 + 10, 10)
