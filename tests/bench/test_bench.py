"""The bench measures what it says, on a repository so small that its numbers mean nothing."""

from dataclasses import replace

from rich.console import Console

from bench import aims, census, cost
from bench.cost import Cost
from bench.report import document, tables
from bench.stage import Case, Run, Stage
from messages import DATA_TYPES
from sandbox.github import World, generate
from sandbox.postgres import Postgres
from sandbox.processes import Processes
from sandbox.temporal import Temporal

RUN = Run(
    Case("pull_requests", ("pull_requests",), 1),
    pull_requests=1_000,
    issues=0,
    items=15_000,
    faults=[],
    cost=Cost(graphql=90, rest=10, points=90),
    cpu_seconds=2.5,
    wall_seconds=9.0,
    peak_bytes=100_000_000,
)


async def test_a_small_backfill_is_measured(processes: Processes, postgres: Postgres, temporal: Temporal) -> None:
    stage = Stage(processes, postgres, temporal)
    await stage.open()
    run = await stage.run(Case("1x", DATA_TYPES, 0.02))
    assert run.faults == []
    assert (run.pull_requests, run.issues) == (20, 10)
    assert run.items > 20 + 10 + 87  # and the comments and events
    assert run.cost.requests == sum(run.cost.operations.values()) > run.cost.rest > 0
    assert run.cost.points >= run.cost.graphql
    assert 0 < run.cpu_seconds < 60
    assert run.wall_seconds > 0
    assert (run.embeddings, run.embedding_requests > 0) == (30, True)
    assert run.peak_bytes is None or 20e6 < run.peak_bytes < 1e9


def test_what_is_missing_or_too_much_is_a_fault() -> None:
    repository = generate.repository(World(), generate.Plan("acme/rocket", pull_requests=5, issues=5))
    wanted = census.wanted(repository, DATA_TYPES)
    stored = {noun: set(identities) for noun, identities in wanted.items()}
    assert census.differences(wanted, stored) == []
    stored["reviews"].pop()
    stored["issues"].add("0")
    assert census.differences(wanted, stored) == [
        "issues: 0 of 5 missing, 1 too many",
        "reviews: 1 of 22 missing, 0 too many",
    ]
    only_issues = census.wanted(repository, ["issues"])
    assert only_issues["reviews"] == only_issues["pull_requests"] == set()
    assert only_issues["comments"] < wanted["comments"]


def test_points_are_those_that_were_charged_and_rest_is_counted_by_itself() -> None:
    graphql = {"kind": "graphql", "operation": "Issues", "path": "/graphql", "cost": 2}
    rest = {"kind": "rest", "operation": "", "path": "/repos/acme/rocket/issues/comments?since=1", "cost": 1}
    assert cost.of([graphql, rest, graphql]) == Cost(2, 1, 4, {"Issues": 2, "issues/comments": 1})


def test_an_incomplete_run_is_never_cheap() -> None:
    assert all(aim.met for aim in aims.judged({"pull_requests": RUN}))
    incomplete = aims.judged({"pull_requests": replace(RUN, faults=["reviews: 1 of 22 missing, 0 too many"])})
    assert [aim.met for aim in incomplete if aim.binding] == [False, True, True]
    empty = aims.judged({"pull_requests": replace(RUN, pull_requests=0)})
    assert [aim.met for aim in empty if aim.binding] == [True, False, False]


def test_both_forms_of_the_report_hold_every_aim() -> None:
    runs = {name: replace(RUN, case=replace(RUN.case, name=name), faults=["it failed"]) for name in ("1x", "10x")}
    judged = aims.judged(runs)
    console = Console(width=120)
    with console.capture() as shown:
        console.print(tables(runs, judged))
    assert all(aim.what in shown.get() for aim in judged)
    assert "10x: it failed" in shown.get()
    assert [aim["what"] for aim in document(runs, judged)["aims"]] == [aim.what for aim in judged]
