"""Real repositories, exported from GitHub: every record of theirs is in Postgres, field by field."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from sandbox.embeddings import EmbeddingServer
from sandbox.github import StandIn, World, generation
from sandbox.github.generation import Plan
from sandbox.github.generation import exports as github_exports
from sandbox.github.world import node_ids
from tests.support.backfill.meaning import QUESTIONS, check_meaning
from tests.support.backfill.rows import all_rows
from tests.support.backfill.whole import Backfill
from tests.support.shop import connected
from tests.support.thoroughness import THOROUGH
from tests.support.truth import check

EVERY = 1 if THOROUGH else 32
"""So many threads of an export are one that is stored: all of them say no more than some, and take a minute longer."""


def exports_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json.gz"))


def thinned(path: Path, folder: Path) -> Path:
    """The export with one of `EVERY` threads, and those that questions are about, as a file in this folder."""
    content = github_exports.read(path)
    meant = {number for repository, number in QUESTIONS.values() if repository == content["repo"]}
    for kind in ("issues", "pulls"):
        content[kind] = [each for each in content[kind] if each["number"] % EVERY == 0 or each["number"] in meant]
    thin = folder / path.name
    thin.write_bytes(orjson.dumps(content))
    return thin


def bare(login: str | None) -> str | None:
    """An export says `dependabot` of a bot, which everybody else calls `dependabot[bot]`."""
    return login.removesuffix("[bot]") if login else None


def moment(stamp: str | None) -> datetime | None:
    return datetime.fromisoformat(stamp) if stamp else None


def github_id(node_id: str) -> int:
    parsed = node_ids.parse(node_id)
    assert parsed is not None and isinstance(parsed.key, int)
    return parsed.key


def thread_of(raw: dict[str, Any]) -> dict[str, Any]:
    """What an export says of an issue or a pull request itself, in Postgres' words."""
    known = {
        "number": raw["number"],
        "title": raw["title"],
        "state": raw["state"].lower(),
        "author": bare(raw["author"]),
        "body": raw["body"],
        "created_at": moment(raw["createdAt"]),
        "updated_at": moment(raw["updatedAt"]),
        "closed_at": moment(raw["closedAt"]),
        "labels": sorted(raw["labels"]),
        "assignees": sorted(raw["assignees"]),
        "comments": Counter(
            (bare(each["author"]), each["body"], moment(each["createdAt"]), moment(each["updatedAt"]))
            for each in raw["comments"]
        ),
    }
    if "reviews" not in raw:
        return known
    return known | {
        "merged_at": moment(raw["mergedAt"]),
        "merged_by": bare(raw["mergedBy"]),
        "base_branch": raw["baseRefName"],
        "head_branch": raw["headRefName"],
        "reviews": Counter(
            (bare(each["author"]) or "ghost", each["state"], each["body"], moment(each["updatedAt"]))
            for each in raw["reviews"]
        ),
        "review_comments": Counter(
            (comment["originalPosition"], comment["body"], moment(comment["createdAt"]), moment(comment["updatedAt"]))
            for review in raw["reviews"]
            for comment in review["comments"]
        ),
    }


COMMENTS = """
select coalesce(c.pull_request_id, c.issue_id) as thread, c.comment_type, a.username as author, c.body, c.created_at,
  c.updated_at, c.original_position
from comments c left join contributors a on a.id = c.commenter_id where c.repository_id = $1
"""
REVIEWS = """
select r.pull_request_id as thread, a.username as author, r.state, r.body, r.updated_at
from reviews r join contributors a on a.id = r.author_id where r.repository_id = $1
"""


async def stored_threads(connection: asyncpg.Connection, full_name: str) -> dict[int, dict[str, Any]]:
    """The same of what Postgres holds, by number."""
    repository_id = await connection.fetchval("select id from repositories where full_name = $1", full_name)
    rows = [
        *await connection.fetch(
            "select t.*, a.username as author from issues t left join contributors a on a.id = t.author_id"
            " where repository_id = $1",
            repository_id,
        ),
        *await connection.fetch(
            "select t.*, a.username as author, m.username as merged_by from pull_requests t"
            " left join contributors a on a.id = t.author_id left join contributors m on m.id = t.merged_by_id"
            " where repository_id = $1",
            repository_id,
        ),
    ]
    found: dict[Any, dict[str, Any]] = {}
    for row in rows:
        found[row["id"]] = {
            "number": row["number"],
            "title": row["title"],
            "state": row["state"],
            "author": bare(row["author"]),
            "body": row["body"],
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "closed_at": row["closed_at"],
            "labels": sorted(label["name"] for label in row["labels"]),
            "assignees": sorted(each["login"] for each in row["assignees"]),
            "comments": Counter(),
        }
        if "merged_at" in row:
            found[row["id"]] |= {
                "merged_at": row["merged_at"],
                "merged_by": bare(row["merged_by"]),
                "base_branch": row["base_branch"],
                "head_branch": row["head_branch"],
                "reviews": Counter(),
                "review_comments": Counter(),
            }
    for row in await connection.fetch(COMMENTS, repository_id):
        thread = found[row["thread"]]
        if row["comment_type"] == "issue_comment":
            thread["comments"][bare(row["author"]), row["body"], row["created_at"], row["updated_at"]] += 1
        else:
            thread["review_comments"][row["original_position"], row["body"], row["created_at"], row["updated_at"]] += 1
    for row in await connection.fetch(REVIEWS, repository_id):
        found[row["thread"]]["reviews"][bare(row["author"]), row["state"], row["body"], row["updated_at"]] += 1
    return {thread["number"]: thread for thread in found.values()}


@pytest.mark.long
async def test_real_repositories_are_stored_record_by_record_and_found_by_their_meaning(
    exports: Path,
    serve: Callable[..., StandIn],
    direct: Backfill,
    embeddings: EmbeddingServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """With discussions and events that are generated beside them; everything twice changes no row."""
    world = World()
    paths = [thinned(path, tmp_path) for path in exports_in(exports)]
    repositories = [github_exports.load(world, path) for path in paths]
    for repository in repositories:
        plan = Plan(repository.name_with_owner, discussions=40, deep_discussions=1, deep_replies=1)
        generation.add_discussions(repository, plan)
        generation.add_events(repository, replace(plan, stars=150, forks=40, releases=20, pushes=120, years=1))
    direct.environment |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
    direct.at(serve(world))
    await direct.start_worker(direct.environment)
    workspace_id = await direct.workspace(*repositories)
    job_id = await direct.start(workspace_id, types=())
    job = await direct.completed(job_id)
    assert job["completed_repositories"] == 3
    async with connected(direct.dsn) as connection:
        for path in paths:
            raw = github_exports.read(path)
            found = await stored_threads(connection, raw["repo"])
            wanted = {each["number"]: thread_of(each) for each in [*raw["issues"], *raw["pulls"]]}
            wrong = {
                number: sorted(
                    name for name in wanted[number] if wanted[number][name] != found.get(number, {}).get(name)
                )
                for number in wanted
                if wanted[number] != found.get(number)
            }
            assert not wrong
            assert found.keys() == wanted.keys()
            reviews = {github_id(each["id"]) for pull in raw["pulls"] for each in pull["reviews"]}
            rows = await connection.fetch(
                "select r.github_id from reviews r join repositories o on o.id = repository_id where full_name = $1",
                raw["repo"],
            )
            assert {row["github_id"] for row in rows} == reviews
    # And with all that the stand-in derived besides: ids, timeline events, requested reviewers, closing references.
    for repository in repositories:
        await check(direct.dsn, repository)
    for repository, path in zip(repositories, paths, strict=True):
        [progress] = await direct.rows(
            "select p.* from workspace_backfill_progress p join repositories r on r.id = repository_id"
            " where full_name = $1",
            repository.name_with_owner,
        )
        raw, counts = github_exports.read(path), repository.counts()
        pulls, issues = len(raw["pulls"]), len(raw["issues"])
        reviews_of_it = [review for pull in raw["pulls"] for review in pull["reviews"]]
        comments = sum(len(each["comments"]) for each in [*raw["issues"], *raw["pulls"], *reviews_of_it])
        assert progress["pull_requests_count"] == pulls
        assert progress["issues_count"] == issues
        assert progress["reviews_count"] == len(reviews_of_it)
        assert progress["comments_count"] == comments + counts["discussion_comments"]
        assert progress["discussions_count"] == 40
        assert progress["events_count"] > pulls + issues + 150 + 40 + 20
        assert progress["embeddings_count"] == pulls + issues + 40

    await check_meaning(direct, workspace_id, monkeypatch, capsys)

    before, paid = await all_rows(direct.dsn), len(embeddings.requests)
    for arguments in ((), ("--fresh",)):
        again = await direct.start(workspace_id, *arguments, types=())
        await direct.completed(again)
        assert await all_rows(direct.dsn) == before
    assert len(embeddings.requests) == paid


def test_an_export_is_what_the_test_takes_it_for(exports: Path) -> None:
    """So that the comparison above cannot pass because it compared nothing."""
    [path] = [each for each in exports_in(exports) if each.name.startswith("mlswg")]
    raw = github_exports.read(path)
    comments = [comment for thread in [*raw["issues"], *raw["pulls"]] for comment in thread["comments"]]
    reviews = [review for pull in raw["pulls"] for review in pull["reviews"]]
    assert len(raw["pulls"]) == 582
    assert len(raw["issues"]) == 303
    assert len(comments) == 1_435
    assert len(reviews) == 1_370
    assert sum(len(review["comments"]) for review in reviews) == 1_720
    assert json.dumps(thread_of(raw["pulls"][0])["number"]) == str(raw["pulls"][0]["number"])
