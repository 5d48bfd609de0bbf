"""The measurements for people and for machines."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.aims import Aim, per_thousand
from bench.stage import Run

COLUMNS = ("", "threads", "items", "requests*", "REST*", "points*", "CPU s", "items/CPU s", "wall s", "peak MB")
CAPTION = "* REST ones included; per 1,000 pull requests, issues, discussions (with all that hangs on them) or events"


def tables(runs: Mapping[str, Run], aims: Sequence[Aim]) -> RenderableType:
    faults = (Text(f"{run.case.name}: {why}", "red") for run in runs.values() for why in run.faults)
    return Group(_costs(runs), "", _aims(aims), *faults)


def _costs(runs: Mapping[str, Run]) -> Table:
    table = Table(title="What a backfill costs", caption=CAPTION, title_justify="left", caption_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name else "left")
    for run in runs.values():
        of, _ = run.measured
        cost = run.cost
        table.add_row(
            run.case.name,
            f"{run.threads:,}",
            f"{run.items:,}",
            *(f"{per_thousand(number, of):,.1f}" for number in (cost.requests, cost.rest, cost.points)),
            f"{run.cpu_seconds:,.1f}",
            f"{run.items_per_cpu_second:,.0f}",
            f"{run.wall_seconds:,.1f}",
            _megabytes(run.peak_bytes),
        )
    return table


def _aims(aims: Sequence[Aim]) -> Table:
    table = Table(title="Aims", title_justify="left")
    for name in ("", "measured", "aim", "met"):
        table.add_column(name, justify="right" if name in ("measured", "aim") else "left")
    for aim in aims:
        color = "green" if aim.met else "red" if aim.binding else "yellow"
        verdict = "yes" if aim.met else "no"
        sign = "≥" if aim.at_least else "≤"
        table.add_row(aim.what, _number(aim.measured), f"{sign} {_number(aim.limit)}", f"[{color}]{verdict}[/]")
    return table


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


def _megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1e6:,.0f}"


def document(runs: Mapping[str, Run], aims: Sequence[Aim]) -> dict[str, Any]:
    """The same, and each request by its operation; counts are totals, not per thousand."""
    return {
        "machine": {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()},
        "runs": [
            asdict(run) | {"items_per_cpu_second": run.items_per_cpu_second, "complete": not run.faults}
            for run in runs.values()
        ],
        "aims": [asdict(aim) | {"met": aim.met} for aim in aims],
    }
