"""The graph of commits, branches and their activity, as GraphQL and REST tell them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.github import Clock, World
from sandbox.github.faults import NullNode
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generated
from sandbox.github.world.clock import after, moment
from sandbox.github.world.commits import NOTHING, Commit
from sandbox.github.world.repositories import Repository
from tests.support.sandbox.events import NOW, linked, pages, told
from tests.support.sandbox.pricing import priced

HISTORY = """
query History($first: Int!, $after: String, $oid: GitObjectID, $since: GitTimestamp, $until: GitTimestamp) {
  rateLimit { cost }
  repository(owner: "octo", name: "hello") {
    isEmpty
    defaultBranchRef { name target { oid } }
    object(oid: $oid) { __typename oid ... on Commit { ...History } }
  }
}
fragment History on Commit {
  history(first: $first, after: $after, since: $since, until: $until) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { oid } }
    nodes {
      oid messageHeadline committedDate authoredDate parents(first: 2) { totalCount nodes { oid } }
      author { name email date user { login } } committer { date }
    }
  }
}
"""
ACTIVITY = "/repos/octo/hello/activity"


def asked(client: Any, oid: str, first: int = 100, **variables: Any) -> Any:
    return client.ask(HISTORY, first=first, oid=oid, **variables).data["repository"]["object"]["history"]


def oids(history: Any) -> list[str]:
    return [each["oid"] for each in history["nodes"]]


# --- the graph


def test_history_is_not_in_the_order_of_dates(client: Any, repository: Repository, world: World) -> None:
    """A parent waits for a child, and no longer; so a merge's side can come before what is younger."""
    git, ann = repository.git, world.account("ann")

    def commit(name: str, day: int, *parents: Commit) -> Commit:
        date = f"2026-01-{day:02}T00:00:00Z"
        return git.add(Commit(repository, world.oid(name), f"{name}\n\nbody", date, ann, parents=parents))

    base = commit("base", 5)
    left = commit("left", 1, base)
    side = commit("side", 9, base)
    merge = commit("merge", 10, left, side)
    top = commit("top", 2, merge)
    git.branches["main"] = top
    found = asked(client, top.oid)
    assert [each["messageHeadline"] for each in found["nodes"]] == ["top", "merge", "side", "base", "left"]
    assert found["nodes"][1]["parents"] == {"totalCount": 2, "nodes": [{"oid": left.oid}, {"oid": side.oid}]}
    assert found["nodes"][0]["author"]["user"] == {"login": "ann"}
    assert repository.commits == [top, merge, side, base, left]
    assert oids(asked(client, side.oid)) == [side.oid, base.oid]


def test_dates_bound_a_history_by_commits_and_not_by_authors(client: Any, repository: Repository) -> None:
    git = repository.git
    for day in (1, 2, 3, 4):
        date = f"2026-01-0{day}T00:00:00Z"
        head = git.head("main")
        git.branches["main"] = git.add(
            Commit(
                repository,
                repository.world.oid(date),
                "m",
                "2020-01-01T00:00:00Z",
                committed_date=date,
                parents=(head,) if head else (),
            )
        )
    head = git.branches["main"]
    found = asked(client, head.oid, since="2026-01-02T00:00:00Z", until="2026-01-03T00:00:00Z")
    assert [each["committedDate"][:10] for each in found["nodes"]] == ["2026-01-03", "2026-01-02"]
    assert found["totalCount"] == 2
    assert {each["authoredDate"] for each in found["nodes"]} == {"2020-01-01T00:00:00Z"}
    assert found["nodes"][0]["committer"]["date"] == "2026-01-03T00:00:00Z"


def test_cursors_are_of_the_commit_that_was_asked(client: Any, repository: Repository) -> None:
    """They hold while the branch goes on; with the new head they are refused."""
    pinned = repository.push(None, commits=9).after
    first = asked(client, pinned, 4)
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": f"{pinned} 0",
        "endCursor": f"{pinned} 3",
    }
    assert [edge["cursor"] for edge in first["edges"]] == [f"{pinned} {place}" for place in range(4)]
    head = repository.push(None).after
    seen, cursor = oids(first), first["pageInfo"]["endCursor"]
    reply = client.ask(HISTORY, first=4, oid=head, after=cursor)
    assert reply.error["type"] == "INVALID_CURSOR_ARGUMENTS"
    while cursor:
        page = asked(client, pinned, 4, after=cursor)
        seen += oids(page)
        cursor = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
    assert page["totalCount"] == len(seen) == len(set(seen)) == 10, "the root, too"
    assert seen == oids(asked(client, head))[1:]
    client.github.faults.refuse_cursor(f"{pinned} 3")
    assert client.ask(HISTORY, first=4, oid=pinned, after=f"{pinned} 3").error["type"] == "INVALID_CURSOR_ARGUMENTS"
    assert priced(HISTORY, first=100, oid=pinned).cost == 1
    client.github.faults.add(NullNode())
    reply = client.ask(HISTORY, first=4, oid=pinned)
    assert reply.json["data"]["repository"]["object"]["history"]["nodes"][3] is None


def test_authors_without_account(client: Any, repository: Repository, world: World) -> None:
    """Bots and deleted accounts have no place where the type is User; the name stays."""
    git, leaver = repository.git, world.account("leaver")
    head = repository.push(world.account("dependabot", "Bot")).after
    for name, account in (("Jane Doe", None), (None, leaver)):
        made = Commit(
            repository, world.oid(str(name)), "m", NOW, account, author_name=name, parents=(git.commits[head],)
        )
        head = git.add(made).oid
    leaver.delete()
    authors = [each["author"] for each in asked(client, head)["nodes"][:3]]
    assert [(each["name"], each["user"]) for each in authors] == [
        ("leaver", None),
        ("Jane Doe", None),
        ("dependabot[bot]", None),
    ]
    assert authors[1]["email"] == "jane.doe@example.org"


def test_objects(client: Any, repository: Repository) -> None:
    """A commit that a force push left behind is still there; what never was is null."""
    left = repository.push(None).after
    now = repository.push(None, force=True).after
    found = client.ask(HISTORY, first=1, oid=left).data["repository"]
    assert found["object"]["oid"] == left
    assert found["defaultBranchRef"] == {"name": "main", "target": {"oid": now}}
    assert left not in [commit.oid for commit in repository.commits]
    assert client.ask(HISTORY, first=1, oid="0" * 40).data["repository"]["object"] is None
    repository.empty()
    found = client.ask(HISTORY, first=1, oid=now).data["repository"]
    assert (found["isEmpty"], found["defaultBranchRef"], found["object"]) == (True, None, None)


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git to compare with")
def test_the_order_is_gits(tmp_path: Path) -> None:
    made = generated(World(), Plan("o/n", 60, 0, pushes=150, seed=3), end=NOW)
    commits = made.commits
    assert sum(len(commit.parents) > 1 for commit in commits) > 15
    marks = {commit.oid: place for place, commit in enumerate(made.git.commits.values(), 1)}
    written: set[str] = set()
    lines: list[str] = []
    waiting = list(commits[:1])
    while waiting:
        commit = waiting[-1]
        missing = [parent for parent in commit.parents if parent.oid not in written]
        waiting += missing
        if missing:
            continue
        waiting.pop()
        if commit.oid in written:
            continue
        written.add(commit.oid)
        seconds = int(moment(commit.committed_date).timestamp())
        lines += ["commit refs/heads/main", f"mark :{marks[commit.oid]}", f"committer A <a@b> {seconds} +0000"]
        lines += [f"data {len(commit.oid)}", commit.oid]
        links = zip(("from", "merge"), commit.parents, strict=False)
        lines += [f"{word} :{marks[parent.oid]}" for word, parent in links] or ["deleteall"]
        lines.append("")

    def git(*arguments: str, given: str = "") -> str:
        call = ["git", "-C", str(tmp_path), *arguments]
        return subprocess.run(call, input=given, capture_output=True, text=True, check=True).stdout

    git("init", "--quiet")
    git("fast-import", "--quiet", "--force", given="\n".join(lines) + "\n")
    assert git("log", "--format=%s", "main").split() == [commit.oid for commit in commits]


# --- branches and their activity


def test_activity(client: Any, repository: Repository, world: World, clock: Clock) -> None:
    ann = world.account("ann")
    root = repository.push(None).before
    clock.advance(10)
    pushed = repository.push(ann, commits=["a" * 40, "b" * 40])
    clock.advance(10)
    repository.create_branch(ann, "topic")
    clock.advance(10)
    forced = repository.push(ann, "refs/heads/topic", force=True)
    clock.advance(10)
    repository.delete_branch(ann, "topic")
    clock.advance(10)
    pull = repository.pull_request(1)
    pull.merge(ann)
    repository.pull_request(2).merge(world.account("bob"), queued=True)
    found = client.get(ACTIVITY).json
    assert [(each["activity_type"], each["ref"]) for each in found] == [
        ("merge_queue_merge", "refs/heads/main"),
        ("pr_merge", "refs/heads/main"),
        ("branch_deletion", "refs/heads/topic"),
        ("force_push", "refs/heads/topic"),
        ("branch_creation", "refs/heads/topic"),
        ("push", "refs/heads/main"),
        ("push", "refs/heads/main"),
    ]
    assert found[5]["timestamp"] == after(NOW, 10)
    assert found[5]["id"] == pushed.database_id
    assert (found[5]["before"], found[5]["after"]) == (found[6]["after"], "b" * 40)
    assert (found[4]["before"], found[4]["after"]) == (NOTHING, "b" * 40)
    assert (found[3]["before"], found[3]["after"]) == ("b" * 40, forced.after)
    assert (found[2]["before"], found[2]["after"]) == (forced.after, NOTHING)
    assert (found[1]["before"], found[1]["after"]) == ("b" * 40, pull.merge_commit_oid)
    assert found[6]["before"] == root
    assert [each["actor"] and each["actor"]["login"] for each in found] == ["bob", *["ann"] * 5, None]
    assert found[0]["node_id"].startswith("MD")
    assert client.get(ACTIVITY, {"X-Github-Next-Global-ID": "1"}).json[0]["node_id"].startswith("PSH_")
    merge = repository.git.commits[pull.merge_commit_oid or ""]
    assert merge.parents[0].oid == "b" * 40
    assert len(merge.parents) == 2
    assert repository.counts()["pushes"] == 5
    ann.delete()
    assert [each["actor"] and each["actor"]["login"] for each in client.get(ACTIVITY).json] == ["bob", *[None] * 6]


def test_activity_is_an_event(client: Any, repository: Repository, world: World) -> None:
    ann = world.account("ann")
    repository.description = "says hello"
    push = repository.push(ann, commits=2)
    repository.create_branch(ann, "topic")
    repository.delete_branch(ann, "topic")
    assert told(client, "PushEvent")[0]["payload"] == {
        "repository_id": repository.database_id,
        "push_id": push.database_id,
        "ref": "refs/heads/main",
        "head": push.after,
        "before": push.before,
    }
    assert told(client, "CreateEvent")[0]["payload"] == {
        "ref": "topic",
        "ref_type": "branch",
        "full_ref": "refs/heads/topic",
        "master_branch": "main",
        "description": "says hello",
        "pusher_type": "user",
    }
    assert told(client, "DeleteEvent")[0]["payload"] == {
        "ref": "topic",
        "ref_type": "branch",
        "full_ref": "refs/heads/topic",
        "pusher_type": "user",
    }


def test_pages_of_activity_go_on_from_cursors(client: Any, repository: Repository, clock: Clock) -> None:
    for _ in range(3):
        for _ in range(4):
            repository.push(None)
        clock.advance(60)
    found = pages(client, f"{ACTIVITY}?per_page=5")
    assert [len(page) for page in found] == [5, 5, 2]
    ids = [each["id"] for page in found for each in page]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 12
    first = client.get(f"{ACTIVITY}?per_page=5")
    assert linked(client, first, "prev") is None
    repository.push(None)
    path = linked(client, first, "next")
    assert path is not None
    assert "after=" in path
    second = client.get(path)
    assert [each["id"] for each in second.json] == ids[5:10], "what is new does not shift the pages"
    back = linked(client, second, "prev")
    assert back is not None
    assert "before=" in back
    assert [each["id"] for each in client.get(back).json] == ids[:5]
    oldest = pages(client, f"{ACTIVITY}?per_page=7&direction=asc")
    assert [each["id"] for page in oldest for each in page][:12] == ids[::-1]
    for wrong in ("after=nonsense", "direction=up", "time_period=decade", "activity_type=pull"):
        assert client.get(f"{ACTIVITY}?{wrong}").status == 422


@pytest.mark.parametrize(
    ("period", "days"), [("day", 1), ("week", 7), ("month", 30), ("quarter", 91), ("year", 365), (None, 365)]
)
def test_activity_reaches_back_a_year(client: Any, repository: Repository, period: str | None, days: int) -> None:
    repository.push(None, at=after(NOW, -days * 86_400 - 10))
    repository.push(None, at=after(NOW, -days * 86_400 + 10))
    found = client.get(f"{ACTIVITY}?time_period={period}" if period else ACTIVITY).json
    assert [each["timestamp"] for each in found] == [after(NOW, -days * 86_400 + 10)]


def test_activity_by_ref_kind_and_actor(client: Any, repository: Repository, world: World) -> None:
    bot = world.account("dependabot", "Bot")
    repository.push(bot, "topic")
    repository.push(bot, "topic")
    repository.push(world.account("ann"))
    kinds = {
        query: [each["activity_type"] for each in client.get(f"{ACTIVITY}?{query}").json]
        for query in ("ref=topic", "ref=refs/heads/topic", "activity_type=push", "actor=dependabot[bot]", "actor=ann")
    }
    assert kinds == {
        "ref=topic": ["push", "branch_creation"],
        "ref=refs/heads/topic": ["push", "branch_creation"],
        "activity_type=push": ["push", "push"],
        "actor=dependabot[bot]": ["push", "branch_creation"],
        "actor=ann": ["push"],
    }


def test_the_first_push_creates_the_branch(client: Any, world: World) -> None:
    made = world.add_repository("octo/fresh", is_empty=True)
    assert client.get("/repos/octo/fresh/activity").json == []
    made.push(None)
    (found,) = client.get("/repos/octo/fresh/activity").json
    assert (found["activity_type"], found["before"]) == ("branch_creation", NOTHING)
    assert not made.is_empty
    assert len(made.commits) == 1


def test_branches_that_are_not_there(repository: Repository) -> None:
    repository.create_branch(None, "topic")
    with pytest.raises(ValueError, match="exists"):
        repository.create_branch(None, "topic")
    with pytest.raises(KeyError):
        repository.delete_branch(None, "other")
    with pytest.raises(KeyError):
        repository.create_branch(None, "other", "f" * 40)
