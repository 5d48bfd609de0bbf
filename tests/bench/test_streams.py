"""The bench of streams measures what it says, on so few that its numbers mean nothing."""

import tempfile
from dataclasses import replace
from pathlib import Path

from bench import streams
from bench.streams import Run
from sandbox.postgres import Postgres
from sandbox.processes import Processes
from sandbox.temporal import Temporal


async def test_a_few_streams_hear_of_every_commit(postgres: Postgres, temporal: Temporal) -> None:
    with tempfile.TemporaryDirectory() as directory, Processes(Path(directory)) as processes:
        run = await streams.measure(processes, postgres, temporal, streams=6, jobs=2, per_second=20, seconds=0.5)
    assert (run.opened, run.open_at_the_end, run.commits, run.missed) == (6, 6, 10, 0)
    assert len(run.seconds) == 30
    assert run.cpu_seconds > 0
    assert [aim.met for aim in streams.judged(run) if aim.binding] == [True, True]


def test_a_stream_that_ended_or_missed_a_change_is_a_missed_aim() -> None:
    good = Run(1_000, 50, 20, opened=1_000, open_at_the_end=1_000, seconds=[0.2] * 98 + [0.9, 5])
    assert [aim.met for aim in streams.judged(good)] == [True, True, True]
    for bad in (replace(good, open_at_the_end=999), replace(good, missed=1), replace(good, seconds=[0.2, 1.1])):
        assert [aim.met for aim in streams.judged(bad)].count(False) == 1
