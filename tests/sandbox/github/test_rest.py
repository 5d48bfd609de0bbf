"""The REST routes: their shapes, pages, and ways of saying no."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.github import World
from sandbox.github.exchange.refusals import NotModelled
from sandbox.github.world.repositories import Repository


def links(reply: Any) -> dict[str, str]:
    return {name: url for url, name in re.findall(r'<([^>]*)>; rel="(\w+)"', reply.headers.get("Link", ""))}


def test_a_repository(client: Any, repository: Repository) -> None:
    reply = client.get("/repos/OCTO/Hello")
    assert reply.json | {"owner": reply.json["owner"]["login"]} == client.get(
        f"/repositories/{repository.database_id}"
    ).json | {"owner": "octo"}
    assert (reply.json["id"], reply.json["full_name"]) == (repository.database_id, "octo/hello")
    assert reply.json["node_id"] == repository.node_id(False)
    new = client.get("/repos/octo/hello", {"X-Github-Next-Global-ID": "1"})
    assert new.json["node_id"] == repository.node_id(True)


def test_who_i_am(client: Any) -> None:
    assert client.get("/user").json["login"] == "viewer"


def test_pages_of_comments(client: Any, repository: Repository) -> None:
    seen: list[int] = []
    url = "/repos/octo/hello/issues/comments?per_page=8"
    for page in (1, 2, 3):
        reply = client.get(url)
        seen += [comment["id"] for comment in reply.json]
        found = links(reply)
        assert ("prev" in found, "next" in found) == (page > 1, page < 3)
        if page < 3:
            assert found["last"].endswith("page=3")
            url = found["next"].removeprefix(client.github.url)
    assert seen == [comment.database_id for comment in repository.ordered("issue_comments")]
    assert len(set(seen)) == 20
    assert links(client.get("/repos/octo/hello/issues/comments?per_page=100")) == {}
    assert client.get("/repos/octo/hello/issues/comments?per_page=100&page=7").json == []
    assert len(client.get("/repos/octo/hello/issues/comments?per_page=1000").json) == 20
    assert len(client.get("/repos/octo/hello/issues/comments").json) == 20


def test_comments_sorted_and_since(client: Any, repository: Repository) -> None:
    comment = repository.issue(6).comments[0]
    comment.edit("edited")
    newest = client.get("/repos/octo/hello/issues/comments?sort=updated&direction=desc&per_page=1")
    assert [each["id"] for each in newest.json] == [comment.database_id]
    since = client.get("/repos/octo/hello/issues/comments?since=2026-03-01T00:00:00Z")
    assert [each["body"] for each in since.json] == ["edited"]
    assert client.get("/repos/octo/hello/issues/comments?since=2026-03-01T12:00:01Z").json == []
    assert client.get("/repos/octo/hello/issues/comments?since=yesterday").status == 422


def test_no_page_beyond_the_hundredth(client: Any) -> None:
    for kind in ("issues", "pulls"):
        assert client.get(f"/repos/octo/hello/{kind}/comments?page=100").status == 200
        reply = client.get(f"/repos/octo/hello/{kind}/comments?page=101")
        assert (reply.status, "Pagination" in reply.json["message"]) == (422, True)


def test_the_shape_of_an_issue_comment(client: Any, world: World, repository: Repository) -> None:
    comment = repository.pull_request(1).comment(world.account("dependabot", "Bot"), "bumped")
    (found,) = client.get("/repos/octo/hello/issues/1/comments?since=2026-03-01T00:00:00Z").json
    assert found["user"]["login"] == "dependabot[bot]"
    assert found["user"]["type"] == "Bot"
    assert found["issue_url"] == f"{client.github.url}/repos/octo/hello/issues/1"
    assert found["html_url"] == f"https://github.com/octo/hello/pull/1#issuecomment-{comment.database_id}"
    assert (found["id"], found["body"], found["node_id"]) == (comment.database_id, "bumped", comment.node_id(False))
    assert (found["created_at"], found["updated_at"]) == (comment.created_at, comment.updated_at)


def test_the_shape_of_a_review_comment(client: Any, repository: Repository) -> None:
    pull = repository.pull_request(1)
    review = pull.review(pull.account, "COMMENTED", comments=("first",))
    root = review.comments[0]
    reply = review.comment(None, "answer", reply_to=root, position=None)
    first, second = client.get("/repos/octo/hello/pulls/comments").json
    assert first["pull_request_review_id"] == review.database_id
    assert first["pull_request_url"] == f"{client.github.url}/repos/octo/hello/pulls/1"
    assert (first["id"], first["position"], first["original_position"]) == (root.database_id, 1, 1)
    assert first["diff_hunk"] == root.diff_hunk
    assert "in_reply_to_id" not in first
    assert second["in_reply_to_id"] == root.database_id
    assert (second["id"], second["position"], second["user"]) == (reply.database_id, None, None)
    assert client.get("/repos/octo/hello/pulls/1/comments").json == [first, second]
    assert client.get("/repos/octo/hello/pulls/2/comments").json == []


def test_reviews(client: Any, repository: Repository) -> None:
    pull = repository.pull_request(1)
    pull.review(None, "APPROVED", "good")
    pull.review(pull.account, "PENDING")
    (found,) = client.get("/repos/octo/hello/pulls/1/reviews").json
    assert (found["state"], found["body"], found["user"]) == ("APPROVED", "good", None)
    assert found["submitted_at"] == "2026-03-01T12:00:00Z"


def test_deleted_accounts(client: Any, repository: Repository) -> None:
    """Ghost where issues and conversations are concerned, null where reviews are."""
    author = repository.issue(6).account
    assert author is not None
    author.delete()
    assert client.get("/repos/octo/hello/issues/6").json["user"]["id"] == 10137
    assert client.get("/repos/octo/hello/pulls/1").json["user"]["login"] == "ghost"


def test_threads(client: Any, world: World, repository: Repository) -> None:
    pull = repository.pull_request(1)
    pull.request_review(world.account("bob"))
    pull.request_review(world.team("octo", "core"))
    pull.merge(world.account("bob"))
    found = client.get("/repos/octo/hello/pulls/1").json
    assert (found["id"], found["state"], found["merged"]) == (pull.database_id, "closed", True)
    assert [each["login"] for each in found["requested_reviewers"]] == ["bob"]
    assert [each["slug"] for each in found["requested_teams"]] == ["core"]
    as_issue = client.get("/repos/octo/hello/issues/1").json
    assert as_issue["node_id"] == found["node_id"]
    assert as_issue["id"] != found["id"]
    assert as_issue["pull_request"]["merged_at"] == "2026-03-01T12:00:00Z"
    issue = client.get("/repos/octo/hello/issues/6").json
    assert (issue["state"], issue["comments"], "pull_request" in issue) == ("open", 2, False)
    assert issue["closed_by"] is None
    repository.issue(6).close(world.account("bob"))
    assert client.get("/repos/octo/hello/issues/6").json["closed_by"]["login"] == "bob"
    assert client.get("/repos/octo/hello/pulls/6").status == 404
    assert client.get("/repos/octo/hello/issues/60").status == 404


def test_renamed_repositories_are_redirected(client: Any, repository: Repository) -> None:
    repository.rename("octo/other")
    reply = client.get("/repos/octo/hello/issues/comments?per_page=3")
    assert reply.status == 301
    assert reply.headers["Location"] == (
        f"{client.github.url}/repositories/{repository.database_id}/issues/comments?per_page=3"
    )
    assert reply.json["url"] == reply.headers["Location"]
    followed = client.get(reply.headers["Location"].removeprefix(client.github.url))
    assert len(followed.json) == 3
    assert client.get("/repos/octo/hello").headers["Location"].endswith(f"/repositories/{repository.database_id}")


def test_transferred_and_deleted_issues(client: Any, world: World, repository: Repository) -> None:
    other = world.add_repository("octo/other")
    moved = repository.issue(6).transfer(other)
    reply = client.get("/repos/octo/hello/issues/6")
    assert (reply.status, reply.headers["Location"]) == (
        301,
        f"{client.github.url}/repositories/{other.database_id}/issues/1",
    )
    assert client.get(f"/repositories/{other.database_id}/issues/1").json["id"] == moved.database_id
    assert len(client.get("/repos/octo/other/issues/1/comments").json) == 2
    assert len(client.get("/repos/octo/hello/issues/comments").json) == 18
    repository.issue(7).delete()
    assert client.get("/repos/octo/hello/issues/7").status == 410


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [("gone", 404, "Not Found"), ("forbidden", 403, "not accessible"), ("taken_down", 451, "blocked")],
)
def test_repositories_that_are_not_served(
    client: Any, repository: Repository, state: Any, status: int, words: str
) -> None:
    repository.become(state)
    for path in ("", "/pulls/comments", "/issues/6"):
        reply = client.get(f"/repos/octo/hello{path}")
        assert (reply.status, words in reply.json["message"]) == (status, True)
    assert client.get("/repos/octo/nothing").status == 404


def test_switched_off_issues(client: Any, repository: Repository) -> None:
    repository.has_issues_enabled = False
    assert client.get("/repos/octo/hello/issues/6").status == 410
    assert client.get("/repos/octo/hello/issues/1").status == 200


def test_an_etag_is_free_for_the_same_token(world: World, repository: Repository, serve: Callable[..., Any]) -> None:
    client = serve(world, tokens={"a": "ann", "b": "ann"})
    path = "/repos/octo/hello/issues/comments"
    etag = client.get(path).headers["ETag"]
    reply = client.get(path, {"If-None-Match": etag})
    assert (reply.status, reply.body, reply.headers["x-ratelimit-used"]) == (304, b"", "1")
    other = client.get(path, {"If-None-Match": etag, "Authorization": "bearer b"})
    assert (other.status, other.headers["x-ratelimit-used"]) == (200, "2")
    repository.issue(6).comment(None, "new")
    assert client.get(path, {"If-None-Match": etag}).status == 200


def test_unknown_routes_are_said_and_not_answered(client: Any) -> None:
    reply = client.get("/repos/octo/hello/subscribers")
    assert reply.status == 501
    assert reply.json["message"] == "NotModelled: the stand-in does not model GET /repos/octo/hello/subscribers"
    assert isinstance(client.github.failures.pop(), NotModelled)
