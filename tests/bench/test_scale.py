"""The bench of many workspaces measures what it says, on a few repositories."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from bench.log import Cost
from bench.scale import Grown, ScaleStage, Size, aims, tables
from sandbox.postgres import Postgres
from sandbox.processes import Processes
from sandbox.temporal import Temporal

GROWN = Grown(
    Size(1, 10),
    rows=1_000,
    cost=Cost(graphql=10, rest=20, points=10),
    seconds=9.0,
    cpu_seconds=5.0,
    temporal_cpu_seconds=3.0,
    postgres_bytes=5_000_000,
    peak_bytes=100_000_000,
    connections=20,
    events=700,
    longest_history=130,
    runs=11,
)


async def test_workspaces_that_begin_at_once_are_measured(
    processes: Processes, postgres: Postgres, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests of other benches make databases of the usual name.
    for module in ("bench.stage", "bench.scale"):
        monkeypatch.setattr(f"{module}.TEMPLATE", "scale")
    stage = ScaleStage(processes, postgres, temporal)
    await stage.open()
    grown = await stage.grown(Size(2, 2), latency_ms=0)
    assert grown.faults == []
    assert grown.runs >= 2 + 4, "a workflow for each workspace, and one for each repository"
    assert grown.events > grown.longest_history > 0
    assert grown.cost.requests > 0
    assert 2 <= grown.connections <= 2 * (20 * 3 + 2), "two workers' pools"
    assert grown.rows > 0


@pytest.mark.parametrize(("text", "case"), [("1x10", Size(1, 10)), ("200x5", Size(200, 5))])
def test_a_case_is_workspaces_and_repositories(text: str, case: Size) -> None:
    assert Size.parse(text) == case
    assert case.name == text


@pytest.mark.parametrize("text", ["", "10", "0x10", "1x", "ax1"])
def test_anything_else_is_no_case(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        Size.parse(text)


def test_memory_that_grows_and_a_history_that_is_long_are_missed_aims() -> None:
    larger = replace(GROWN, case=Size(1, 100), peak_bytes=130_000_000, longest_history=6_000)
    missed = [each.what for each in aims([GROWN, larger]) if not each.met]
    assert missed == ["events of the longest history", "peak memory, largest to smallest"]
    console = Console(width=200, record=True, file=StringIO())
    console.print(tables([GROWN, larger]))
    assert "1x100" in console.export_text()
