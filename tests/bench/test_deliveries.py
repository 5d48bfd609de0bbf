"""The bench of deliveries measures what it says, on so few that its numbers mean nothing."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import deliveries
from bench.deliveries import Load, Stage
from bench.server import percentile
from sandbox import postgres
from sandbox.processes import Processes
from sandbox.temporal import Temporal


@pytest.fixture
def own() -> Iterator[Processes]:
    """For a Postgres that may be restarted."""
    with (
        tempfile.TemporaryDirectory(prefix="workspace-backfill-") as directory,
        Processes(Path(directory)) as processes,
    ):
        yield processes


async def test_a_few_deliveries_survive_a_restart_of_postgres(own: Processes, temporal: Temporal) -> None:
    stage = Stage(own, postgres.start(own), temporal)
    load = await stage.run("restart", per_second=20, seconds=1.5, restart=True, buyers=5)
    assert (load.deliveries, load.accepted, load.lost, load.faults) == (30, 30, 0, [])
    assert len(load.milliseconds) == 30
    assert load.unanswered > 0
    assert load.away_seconds
    assert [aim.met for aim in deliveries.judged([load])] == [True, True]


def test_a_lost_delivery_or_a_wrong_outcome_is_a_missed_aim() -> None:
    good = Load("peace", 50, 100, milliseconds=[5.0] * 99 + [900.0], accepted=100)
    assert all(aim.met for aim in deliveries.judged([good]))
    for bad in (
        Load("peace", 50, 100, milliseconds=[5.0], accepted=100, lost=1),
        Load("peace", 50, 100, milliseconds=[5.0], accepted=100, faults=["jobs: 1 of 2"]),
        Load("peace", 50, 100, milliseconds=[5.0], accepted=100, unanswered=1),
    ):
        assert [aim.met for aim in deliveries.judged([bad]) if aim.binding].count(False) == 1
    assert [aim.met for aim in deliveries.judged([Load("peace", 50, 2, [5.0, 300.0])]) if not aim.binding] == [False]


@pytest.mark.parametrize(("percent", "expected"), [(50, 2), (99, 4), (100, 4), (25, 1), (26, 2), (0, 1)])
def test_a_percentile_is_one_of_the_values(percent: float, expected: float) -> None:
    assert percentile([4, 1, 3, 2], percent) == expected
    assert percentile([], percent) == float("inf")
