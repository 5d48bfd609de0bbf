"""The bench measures what it says, on a repository so small that its numbers mean nothing."""

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from bench import aims, census, log
from bench.census import Share
from bench.log import Cost
from bench.report import document, tables
from bench.stage import Case, Run, Stage
from messages import DATA_TYPES
from sandbox.github import World, generation
from sandbox.postgres import Postgres
from sandbox.processes import Processes
from sandbox.temporal import Temporal

RUN = Run(
    Case("pull_requests", ("pull_requests",), 1),
    pull_requests=1_000,
    issues=0,
    items=15_000,
    faults=[],
    cost=Cost(graphql=40, rest=25, points=50, busy_seconds=6.0),
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
    assert 0 < run.cost.busy_seconds < run.wall_seconds
    assert run.cost.response_seconds == 0
    assert all(share.whole for share in run.shares.values())
    assert run.shares["reviews"] == Share(87, 87)
    assert 0 < run.cpu_seconds < 60
    assert run.wall_seconds > 0
    assert (run.embeddings, run.embedding_requests > 0) == (30, True)
    assert run.peak_bytes is None or 20e6 < run.peak_bytes < 1e9


def test_what_is_missing_or_too_much_is_a_fault() -> None:
    repository = generation.repository(World(), generation.Plan("acme/rocket", pull_requests=5, issues=5))
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


def entry(**fields: Any) -> dict[str, Any]:
    graphql = {"kind": "graphql", "operation": "Issues", "path": "/graphql", "cost": 2, "github_seconds": 1.5}
    return graphql | {"started": 0.0, "seconds": 1.0} | fields


def test_points_are_those_that_were_charged_and_rest_is_counted_by_itself() -> None:
    rest = {"kind": "rest", "operation": "", "path": "/repos/acme/rocket/issues/comments?since=1", "cost": 1}
    unchanged, limits = rest | {"cost": 0}, {"kind": "rest", "operation": "", "path": "/rate_limit", "cost": 0}
    entries = [entry(), entry(**rest, started=0.5), entry(started=4.0), entry(**unchanged), entry(**limits)]
    found = log.cost(entries)
    assert (found.graphql, found.rest, found.points, found.free, found.requests) == (2, 1, 4, 2, 5)
    assert found.operations == {"Issues": 2, "issues/comments": 2, "/rate_limit": 1}
    assert found.response_seconds == 7.5
    assert found.busy_seconds == 2.5


@pytest.mark.parametrize(
    ("intervals", "seconds"),
    [
        ([], 0),
        ([(1, 3)], 2),
        ([(1, 3), (5, 6)], 3),
        ([(2, 4), (1, 3)], 3),
        ([(1, 9), (2, 3), (4, 10)], 9),
        ([(1, 2), (2, 3)], 2),
    ],
)
def test_busy_is_the_time_with_a_request_in_flight(intervals: list[tuple[float, float]], seconds: float) -> None:
    assert log.busy(intervals) == seconds


def test_the_headline_is_by_the_tighter_budget() -> None:
    assert Cost(40, 25, points=50).per_token_and_hour(1_000) == 100_000
    assert Cost(40, 100, points=50).per_token_and_hour(1_000) == 50_000
    assert Cost(1_214, 1_214, points=0).per_token_and_hour(1_000) == pytest.approx(4_118, abs=1)
    assert Cost(40, 0, points=1_060, free=9).per_token_and_hour(1_000) == pytest.approx(4_717, abs=1)
    assert Cost(0, 0, points=0).per_token_and_hour(0) == 0
    assert replace(RUN, faults=["the job is failed"]).per_token_and_hour == 0


def test_githubs_own_seconds_can_be_the_tightest() -> None:
    paced = replace(RUN, cost=replace(RUN.cost, response_seconds=72.0))
    assert (RUN.per_hour, paced.per_token_and_hour, paced.per_hour) == (100_000, 100_000, 50_000)


def test_points_and_rest_bind_each_by_itself() -> None:
    def missed(run: Run) -> list[str]:
        return [aim.what for aim in aims.judged({run.case.name: run}) if aim.binding and not aim.met]

    per_hour = "complete pull requests per token and hour"
    assert missed(RUN) == []
    assert missed(replace(RUN, cost=replace(RUN.cost, points=51))) == ["pull_requests: points for 1,000", per_hour]
    assert missed(replace(RUN, cost=replace(RUN.cost, rest=51))) == ["pull_requests: REST requests for 1,000", per_hour]
    issues = replace(RUN, case=Case("issues", ("issues",), 1), pull_requests=0, issues=500)
    assert missed(replace(issues, cost=Cost(15, 15, points=15))) == []
    assert missed(replace(issues, cost=Cost(15, 16, points=16))) == [
        "issues: points for 500",
        "issues: REST requests for 500",
    ]


def test_the_time_of_a_job_is_measured_by_that_of_its_requests() -> None:
    slow = replace(RUN, case=replace(RUN.case, name="200ms", latency_ms=200))
    (aim,) = (aim for aim in aims.judged({"200ms": slow}) if "wall" in aim.what)
    assert (aim.measured, aim.met, aim.binding) == (1.5, False, False)


def test_an_incomplete_run_is_never_cheap() -> None:
    assert all(aim.met for aim in aims.judged({"pull_requests": RUN}))
    incomplete = aims.judged({"pull_requests": replace(RUN, faults=["reviews: 1 of 22 missing, 0 too many"])})
    assert [aim.met for aim in incomplete if aim.binding] == [False, True, True, False]
    empty = aims.judged({"pull_requests": replace(RUN, pull_requests=0)})
    assert [aim.met for aim in empty if aim.binding] == [True, False, False, False]


def test_both_forms_of_the_report_hold_every_aim() -> None:
    runs = {name: replace(RUN, case=replace(RUN.case, name=name), faults=["it failed"]) for name in ("1x", "10x")}
    judged = aims.judged(runs)
    console = Console(width=120)
    with console.capture() as shown:
        console.print(tables(runs, judged))
    assert all(aim.what in shown.get() for aim in judged)
    assert "10x: it failed" in shown.get()
    assert [aim["what"] for aim in document(runs, judged)["aims"]] == [aim.what for aim in judged]
