"""How the world changes: what bumps a thread, what does not, and what it leaves behind."""

import threading
from typing import Any

import pytest

from sandbox.github import Clock, World
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Thread

NOW = "2026-03-01T12:00:00Z"


def kinds(thread: Thread) -> list[str]:
    return [event.typename for event in thread.events if event.created_at == NOW]


def test_what_bumps_a_thread(repository: Repository, world: World) -> None:
    ann = world.account("ann")
    pull = repository.pull_request(1)
    changes: list[Any] = [
        lambda: pull.edit(title="new"),
        lambda: pull.edit(body="new"),
        lambda: pull.comment(ann, "x"),
        lambda: pull.review(ann, "APPROVED", comments=("y",)),
        lambda: pull.label("new"),
        lambda: pull.unlabel("new"),
        lambda: pull.assign(ann),
        lambda: pull.unassign(ann),
        lambda: pull.set_milestone(repository.milestone("v1")),
        lambda: pull.set_milestone(None),
        lambda: pull.lock("SPAM"),
        pull.unlock,
        lambda: pull.request_review(ann),
        lambda: pull.withdraw_request(ann),
        pull.draft,
        pull.ready,
        pull.force_push,
        pull.close,
        pull.reopen,
        lambda: pull.reviews[0].dismiss(ann),
        lambda: pull.merge(ann),
        lambda: pull.event("MentionedEvent", ann),
    ]
    for change in changes:
        pull.updated_at = "2026-02-01T00:00:00Z"
        change()
        assert pull.updated_at == NOW
    assert kinds(pull) == [
        "RenamedTitleEvent",
        "LabeledEvent",
        "UnlabeledEvent",
        "AssignedEvent",
        "UnassignedEvent",
        "MilestonedEvent",
        "DemilestonedEvent",
        "LockedEvent",
        "UnlockedEvent",
        "ReviewRequestedEvent",
        "ReviewRequestRemovedEvent",
        "ConvertToDraftEvent",
        "ReadyForReviewEvent",
        "HeadRefForcePushedEvent",
        "ClosedEvent",
        "ReopenedEvent",
        "ReviewDismissedEvent",
        "MergedEvent",
        "ClosedEvent",
        "MentionedEvent",
    ]
    assert (pull.state, pull.merged_at, pull.closed_at) == ("MERGED", NOW, NOW)
    assert pull.review_comments()[0].position is None


def test_what_does_not_bump_a_thread(repository: Repository, world: World) -> None:
    ann = world.account("ann")
    pull = repository.pull_request(1)
    review = pull.review(ann, "COMMENTED", comments=("a", "b"), bump=False)
    first, second = review.comments
    reply = review.comment(ann, "c", reply_to=first, bump=False)
    pull.comment(ann, "quiet", bump=False)
    first.edit("in place", bump=False)
    second.edit("edited")
    second.outdate()
    pull.comments[0].edit("edited")
    pull.comments[0].delete()
    first.delete()
    pull.review(ann, "PENDING")
    review.edit("body")
    assert pull.updated_at == "2026-02-01T00:01:00Z"
    assert (second.updated_at, second.position, second.last_edited_at) == (NOW, None, NOW)
    assert reply.reply_to is None
    assert kinds(pull) == []
    pull.comments[0].delete(by=world.account("moderator"))
    assert kinds(pull) == ["CommentDeletedEvent"]
    assert pull.updated_at == "2026-02-01T00:01:00Z"


def test_an_edit_in_place_keeps_its_dates(repository: Repository, clock: Clock) -> None:
    comment = repository.pull_request(1).review(None, comments=("a",)).comments[0]
    before = comment.updated_at
    clock.advance(60)
    comment.edit("b", bump=False)
    assert (comment.body, comment.updated_at) == ("b", before)


def test_closing_issues(repository: Repository) -> None:
    issue = repository.issue(6)
    issue.close()
    assert (issue.state, issue.state_reason, issue.closed_at) == ("CLOSED", "COMPLETED", NOW)
    issue.reopen()
    assert (issue.state, issue.state_reason, issue.closed_at) == ("OPEN", "REOPENED", None)
    repository.pull_request(1).will_close(issue)
    repository.pull_request(1).merge()
    assert issue.events[-1].data["closer"] is repository.pull_request(1)


def test_a_deleted_thread_takes_everything_with_it(repository: Repository, world: World) -> None:
    pull = repository.pull_request(1)
    pull.review(None, comments=("a",))
    everything = [pull, *pull.children()]
    pull.delete()
    assert all(world.node(each.node_id(True)) is None for each in everything)
    assert len(repository.issue_comments) == 18
    assert not repository.review_comments
    assert repository.open_issue(None, "next").number == 11


def test_a_transferred_issue(repository: Repository, world: World) -> None:
    other = world.add_repository("octo/other")
    issue = repository.issue(6)
    old = issue.node_id(True)
    issue.transfer(other)
    assert (issue.number, issue.repository, issue.node_id(True) != old) == (1, other, True)
    assert world.node(old) is None
    assert world.node(issue.node_id(True)) is issue
    assert world.node(issue.comments[0].node_id(True)) is issue.comments[0]
    assert kinds(issue) == ["TransferredEvent"]
    assert 6 not in repository.issues


def test_a_login_passes_to_another_account(repository: Repository, world: World) -> None:
    ann = world.account("ann")
    ann.rename("ann-old")
    newcomer = world.account("ann")
    assert newcomer is not ann
    assert repository.issue(6).author is ann
    with pytest.raises(ValueError, match="taken"):
        ann.rename("ann")


def test_an_owner_is_renamed_with_its_repositories(repository: Repository, world: World) -> None:
    repository.owner.rename("octopus")
    assert repository.name_with_owner == "octopus/hello"
    assert world.find("octo/hello") is world.find("octopus/hello") is repository
    assert not world.is_present_name("octo/hello")


def test_an_old_name_is_free_again(repository: Repository, world: World) -> None:
    repository.rename("octo/renamed")
    successor = world.add_repository("octo/hello")
    assert world.repository("octo/hello") is successor
    assert world.repository("OCTO/renamed") is repository
    with pytest.raises(ValueError, match="exists"):
        repository.rename("octo/hello")


def test_a_deleted_account_is_nobody(repository: Repository, world: World) -> None:
    ann = world.account("ann")
    repository.issue(6).assign(ann)
    ann.delete()
    assert repository.issue(6).author is None
    assert repository.issue(6).assignees == []
    assert repository.issue(6).events[-1].actor is None
    assert world.account("ann") is not ann


def test_ids_of_two_kinds_may_be_made_to_collide(repository: Repository, world: World) -> None:
    pull = repository.pull_request(1)
    world.sequences["IssueComment"] = world.sequences["PullRequestReviewComment"] = 5_000
    comment = pull.comment(None, "a")
    review_comment = pull.review(None, comments=("b",)).comments[0]
    assert comment.database_id == review_comment.database_id == 5_001
    with pytest.raises(ValueError, match="two IssueComment have the id 5001"):
        pull.comment(None, "c", database_id=5_001)


def test_emptied(repository: Repository) -> None:
    repository.empty()
    assert set(repository.counts().values()) == {0}
    assert repository.is_empty


def test_changes_wait_for_the_lock(repository: Repository, world: World) -> None:
    done = threading.Event()

    def change() -> None:
        repository.issue(6).edit(body="changed")
        done.set()

    with world.still():
        thread = threading.Thread(target=change)
        thread.start()
        assert not done.wait(0.05)
        assert repository.issue(6).body == "body"
    thread.join()
    assert repository.issue(6).body == "changed"


def test_clocks() -> None:
    running = Clock()
    before = running.now()
    running.advance(3_600)
    assert (running.now() - before).total_seconds() >= 3_600
    stopped = Clock(stopped=True)
    assert stopped.now() == stopped.now()
    first = stopped.now()
    stopped.advance(5)
    assert (stopped.now() - first).total_seconds() == 5
    stopped.set(first)
    assert stopped.now() == first
