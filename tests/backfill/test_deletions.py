"""What a reading does not show is kept until GitHub says by id that it is gone, or a later second reading does."""

from dataclasses import replace
from typing import Any

import pytest

from messages import DataType
from sandbox.github.exchange.requests import Request
from sandbox.github.faults import Blank, Edited, Touch
from sandbox.github.generation import Plan
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Issue
from tests.support.backfill.reading import TOKENS, Read, Reading

PLAN = Plan("acme/kept", pull_requests=12, issues=12, reviews=2, review_comments=2, comments=3, events=4, years=1)
TYPES: tuple[DataType, ...] = ("issues", "pull_requests")
ISSUES = replace(PLAN, pull_requests=0)
STORED = (
    "select node_id from issue_events union all select comment_type || github_id from comments union all"
    " select 'review' || github_id from reviews order by 1"
)


async def stored(reading: Reading) -> set[str]:
    return {row["node_id"] for row in await reading.rows(STORED)}


async def absent(reading: Reading) -> list[str]:
    return [row["child"] for row in await reading.rows("select child from backfill_absences order by 1")]


def touch_all(repository: Repository) -> None:
    for thread in (*repository.issues.values(), *repository.pull_requests.values()):
        thread.edit(body="read me again")


def talkative(repository: Repository, least: int = 3) -> Issue:
    """An issue that is talked about, by people who are there."""
    return next(each for each in repository.issues.values() if len(each.comments) >= least)


@pytest.mark.parametrize("counts", ["zero", "kept"])
async def test_a_moment_of_blank_lists_deletes_nothing(counts: Any, read: Read) -> None:
    """69 pull requests asked, 45 timelines empty with HTTP 200."""
    reading = read(PLAN)
    for data_type in TYPES:
        await reading.sweep(data_type)
    before = await stored(reading)
    assert len(before) > 100
    touch_all(reading.repository)
    for operation in ("IssuesById", "PullRequestsById"):
        reading.github.faults.add(Blank("*.timelineItems", counts=counts), times=1, operation=operation)
    for data_type in TYPES:
        await reading.sweep(data_type)
    assert await stored(reading) >= before
    for data_type in TYPES:
        await reading.sweep(data_type)
    await reading.agrees()
    assert await absent(reading) == []


async def test_blank_lists_that_last_for_hours_delete_nothing(read: Read) -> None:
    reading = read(ISSUES)
    await reading.sweep("issues")
    before = await stored(reading)
    fault = reading.github.faults.add(Blank("*.timelineItems", counts="zero"), times=None)
    for _ in range(3):
        touch_all(reading.repository)
        await reading.sweep("issues")
        assert await stored(reading) == before
    reading.github.faults.remove(fault)
    touch_all(reading.repository)
    await reading.sweep("issues")
    await reading.agrees()


async def test_what_github_says_is_gone_by_id_is_taken_out_by_the_same_job(read: Read) -> None:
    reading = read(PLAN)
    await reading.sweep("issues")
    await reading.sweep("pull_requests")
    issue = talkative(reading.repository)
    issue.comments[1].delete()
    issue.edit(body="without that comment")
    pull = next(each for each in reading.repository.pull_requests.values() if any(it.comments for it in each.reviews))
    comment = next(comment for review in pull.reviews for comment in review.comments)
    comment.delete()
    pull.edit(body="without that comment")
    before = len(reading.github.log)
    for data_type in TYPES:
        await reading.sweep(data_type)
    await reading.agrees()
    asked = [entry for entry in reading.github.log[before:] if entry.operation == "Existing"]
    assert [len(entry.variables["ids"]) for entry in asked] == [1, 1]


async def test_many_that_go_at_once_are_kept_for_this_job_and_taken_out_by_the_next(read: Read) -> None:
    reading = read(ISSUES)
    await reading.sweep("issues")
    issue = talkative(reading.repository)
    number = len(issue.comments)
    for comment in list(issue.comments):
        comment.delete()
    issue.edit(body="without comments")
    before = await stored(reading)
    await reading.sweep("issues")
    assert before <= await stored(reading)
    assert len(await absent(reading)) == number
    assert not reading.asked("Existing")
    await reading.sweep("issues")
    await reading.agrees()


async def test_what_another_account_stored_is_not_deleted_because_this_one_is_shown_less(read: Read) -> None:
    reading = read(ISSUES)
    await reading.sweep("issues")
    before = await stored(reading)
    touch_all(reading.repository)
    poorer = Blank("*.timelineItems", counts="zero")
    reading.github.faults.add(poorer, times=None)
    reading.github.faults.add(Edited(know_nothing), times=None, operation="Existing")
    for _ in range(2):
        await reading.sweep("issues", tokens=TOKENS[1:2])
        touch_all(reading.repository)
    assert await stored(reading) == before
    assert reading.asked("Existing"), "it was told that they are gone"
    reading.github.faults.clear()
    await reading.sweep("issues", tokens=TOKENS[:2])
    await reading.agrees()


def know_nothing(content: dict[str, Any]) -> None:
    """None of the ids that were asked for exists, for who asks."""
    nodes = content["data"]["nodes"]
    content["errors"] = [
        {"type": "NOT_FOUND", "path": ["nodes", place], "message": "Could not resolve to a node with the global id"}
        for place in range(len(nodes))
    ]
    content["data"]["nodes"] = [None] * len(nodes)


async def test_what_is_gone_to_all_who_read_it_is_taken_out(read: Read) -> None:
    reading = read(ISSUES)
    await reading.sweep("issues")
    touch_all(reading.repository)
    await reading.sweep("issues", tokens=TOKENS[1:2])
    issue = talkative(reading.repository)
    issue.comments[1].delete()
    issue.edit(body="without that comment")
    await reading.sweep("issues", tokens=TOKENS[:2])
    await reading.agrees()
    assert {entry.account for entry in reading.asked("Existing")} == {"viewer", "another"}


async def test_no_answer_about_an_absent_child_keeps_it_and_ends(read: Read) -> None:
    reading = read(ISSUES)
    await reading.sweep("issues")
    issue = talkative(reading.repository)
    issue.comments[1].delete()
    issue.edit(body="without that comment")
    before = await stored(reading)

    def silence(content: dict[str, Any]) -> None:
        content["data"]["nodes"] = [None]
        del content["errors"]

    fault = reading.github.faults.add(Edited(silence), times=None, operation="Existing")
    await reading.sweep("issues")
    assert await stored(reading) >= before
    assert len(reading.asked("Existing")) == 1
    reading.github.faults.remove(fault)
    await reading.sweep("issues")
    await reading.agrees()


async def test_what_has_no_node_id_needs_a_second_reading_of_its_thread(read: Read) -> None:
    reading = read(ISSUES)
    await reading.sweep("issues")
    await reading.rows("update comments set node_id = null")
    issue = talkative(reading.repository)
    issue.comments[1].delete()
    issue.edit(body="without that comment")
    before = await stored(reading)
    await reading.sweep("issues")
    assert await stored(reading) >= before
    await reading.sweep("issues")
    await reading.agrees()
    assert not reading.asked("Existing")


async def test_a_comment_that_is_written_while_its_thread_is_read_is_not_missed(read: Read) -> None:
    reading = read(Plan("acme/long", pull_requests=0, issues=1, comments=250, events=3, years=1))
    await reading.sweep("issues")
    [issue] = reading.repository.issues.values()
    issue.edit(body="read me again")
    written: list[Any] = []

    def write(_request: Request) -> None:
        reading.repository.world.clock.advance(1)
        written.append(issue.comment(issue.account, "while you were reading", bump=False))

    reading.github.faults.add(Touch(write), times=1, operation="IssueTimelines")
    await reading.sweep("issues")
    assert written
    assert await absent(reading) == []
    await reading.agrees()
