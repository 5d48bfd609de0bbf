"""Generated stars, forks, pushes and releases: always the same, consistent with each other, and quick."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.github import Clock, World
from sandbox.github.generation import Plan, add_events, repository
from sandbox.github.generation import exports as loading
from sandbox.github.world import events
from sandbox.github.world.clock import after, moment
from sandbox.github.world.commits import NOTHING
from sandbox.github.world.repositories import Repository
from tests.support.sandbox.events import STARS
from tests.support.sandbox.generated import END, fingerprint

PLAN = Plan("o/n", 60, 20, stars=300, forks=40, releases=30, pushes=200, ghosts=0.1)


def ended() -> World:
    return World(Clock(moment(END), stopped=True))


def facts(of: Repository) -> list[Any]:
    made: list[Any] = [(star.account.login, star.starred_at) for star in of.ordered("stars", "starred_at")]
    made += [(fork.name_with_owner, fork.database_id, fork.created_at) for fork in of.forks.values()]
    made += [
        (each.tag_name, each.published_at, each.tag_commit and each.tag_commit.oid) for each in of.shown_releases()
    ]
    made += [(each.database_id, each.before, each.after, each.ref, each.timestamp) for each in of.git.activity]
    made += [(commit.oid, commit.committed_date, len(commit.parents)) for commit in of.commits]
    return made + [(event.id, event.type, event.created_at) for event in events.shown(of)]


def test_the_same_plan_makes_the_same() -> None:
    made = [repository(ended(), plan, end=END) for plan in (PLAN, PLAN, Plan("o/n", 60, 20, ghosts=0.1))]
    assert facts(made[0]) == facts(made[1])
    assert fingerprint(made[0]) == fingerprint(made[2]), "threads are the same with and without"
    merged = sum(pull.merged for pull in made[0].pull_requests.values())
    wanted = {"stars": 300, "forks": 40, "releases": 30, "pushes": 200 + merged}
    assert made[0].counts() | wanted == made[0].counts()
    none = {"stars": 0, "forks": 0, "releases": 0, "pushes": 0}
    assert made[2].counts() | none == made[2].counts()


def test_everything_that_happens() -> None:
    made = repository(ended(), PLAN, end=END)
    actors = {each.account for each in made.git.activity}
    assert None in actors
    assert {actor.typename for actor in actors if actor} == {"User", "Bot"}
    assert any(actor.deleted for actor in actors if actor)
    assert {each.activity_type for each in made.git.activity} == {
        *("push", "force_push", "pr_merge", "merge_queue_merge", "branch_creation", "branch_deletion")
    }
    assert {fork.owner.typename for fork in made.forks.values()} == {"User", "Organization"}
    assert any(release.is_draft for release in made.releases.values())
    assert any(release.created_at != release.published_at for release in made.shown_releases())
    assert any(star.account.login.endswith("-bot") for star in made.stars.values())
    assert len(made.former_stars) == 16
    assert any(star.account.deleted for star in made.former_stars)
    moments = [star.starred_at for star in made.stars.values()]
    assert after(END, -3 * 365 * 86_400) <= min(moments) < after(END, -2 * 365 * 86_400)
    for kind in ("WatchEvent", "ForkEvent", "PushEvent", "ReleaseEvent"):
        assert any(event.type == kind for event in events.shown(made)), kind


def test_commits_are_a_graph_of_every_kind() -> None:
    made = repository(ended(), PLAN, end=END)
    commits = made.commits
    assert len({commit.oid for commit in commits}) == len(commits)
    assert {len(commit.parents) for commit in commits} == {0, 1, 2}
    assert any(parent.committed_date > commit.committed_date for commit in commits for parent in commit.parents)
    dates = [commit.committed_date for commit in commits]
    assert dates != sorted(dates, reverse=True)
    assert any(commit.authored_date != commit.committed_date for commit in commits)
    authors = {commit.author_account for commit in commits}
    assert any(commit.author_name and commit.author_account is None for commit in commits)
    assert {author.typename for author in authors if author} == {"User", "Bot", "Organization"}
    assert any(author.deleted for author in authors if author)
    known = {commit.oid for commit in commits}
    assert {pull.merge_commit_oid for pull in made.pull_requests.values() if pull.merged} <= known


def test_pushes_follow_the_branches() -> None:
    """What a push left its branch at is where the next one found it; on the default branch it is a first parent's."""
    made = repository(ended(), PLAN, end=END)
    heads: dict[str, str] = {"refs/heads/main": next(c.oid for c in made.commits if not c.parents)}
    for each in made.git.activity:
        assert each.before == heads.get(each.ref, NOTHING)
        heads[each.ref] = each.after
        if each.ref == "refs/heads/main":
            chain = made.git.commits[each.after]
            while chain.oid != each.before:
                chain = chain.parents[0]
    assert heads["refs/heads/main"] == made.commits[0].oid
    assert {branch: commit.oid for branch, commit in made.git.branches.items()} == {
        ref.removeprefix("refs/heads/"): oid for ref, oid in heads.items() if oid != NOTHING
    }
    assert all(each.timestamp <= END for each in made.git.activity)


def test_events_for_an_export(exports: Path) -> None:
    made, again = (loading.load(ended(), exports / "cfrg__draft-irtf-cfrg-hpke.json.gz") for _ in range(2))
    before, merged = fingerprint(made), {commit.oid for commit in made.commits}
    plan = Plan("any/name", stars=50, forks=5, pushes=40, releases=5, years=1)
    for each in (made, again):
        add_events(each, plan, end=END)
    assert fingerprint(made) == before
    assert facts(made) == facts(again)
    assert merged < {commit.oid for commit in made.commits}
    assert (made.stargazer_count, made.fork_count) == (50, 5)
    assert events.shown(made)


def test_a_hundred_thousand_stars(serve: Callable[..., Any]) -> None:
    world = ended()
    made = repository(world, Plan("octo/hello", 5, 5, stars=100_000), end=END)
    assert made.stargazer_count == 100_000
    client = serve(world)
    client.ask(STARS, first=100, after=None, direction="DESC")
    cursor, seen = None, 0
    for _ in range(20):
        page = client.ask(STARS, first=100, after=cursor, direction="DESC").data["repository"]["stargazers"]
        cursor, seen = page["pageInfo"]["endCursor"], seen + len(page["edges"])
        assert len(client.get("/repos/octo/hello/events?per_page=100").json) == 100
    assert seen == 2_000


def test_plans_name_them() -> None:
    assert Plan.parse("o/n?stars=50&forks=5&pushes=7&releases=3") == Plan(
        "o/n", stars=50, forks=5, pushes=7, releases=3
    )
