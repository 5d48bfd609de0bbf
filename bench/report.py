"""Prints the measurements, for people or as JSON."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.aims import Aim, per
from bench.stage import Run

COLUMNS = ("threads", "items", "points*", "REST*", "requests*", "CPU s", "items/CPU s", "wall s", "busy s", "peak MB")
CAPTION = """* per 1,000 pull requests, issues, discussions (with all that hangs on them) or events
busy: with a request in flight; paced: answered in GitHub's own time; 200ms: in 200 ms; the others: at once"""


def tables(runs: Mapping[str, Run], aims: Sequence[Aim]) -> RenderableType:
    faults = (Text(f"{run.case.name}: {why}", "red") for run in runs.values() for why in run.faults)
    return Group(_costs(runs), "", _headline(runs), "", aims_table(aims), *faults)


def _costs(runs: Mapping[str, Run]) -> Table:
    table = Table(title="What a backfill costs", caption=CAPTION, title_justify="left", caption_justify="left")
    for name in ("", *COLUMNS):
        table.add_column(name, justify="right" if name else "left")
    for run in runs.values():
        of, _ = run.measured
        cost = run.cost
        table.add_row(
            run.case.name,
            f"{run.threads:,}",
            f"{run.items:,}",
            *(f"{per(number, 1_000, of):,.1f}" for number in (cost.points, cost.rest, cost.requests)),
            f"{run.cpu_seconds:,.1f}",
            f"{run.items_per_cpu_second:,.0f}",
            f"{run.wall_seconds:,.1f}",
            f"{cost.busy_seconds:,.1f}",
            megabytes(run.peak_bytes),
        )
    return table


def _headline(runs: Mapping[str, Run]) -> RenderableType:
    """Returns how much one token fetches in an hour: with 5,000 points, 5,000 REST requests, and 3,600 seconds of
    GitHub's time.
    """
    table = Table(title="Complete pull requests per token and hour", title_justify="left")
    for name in ("", "by points and REST", "GitHub's response s", "by these, too"):
        table.add_column(name, justify="right" if name else "left")
    for run in runs.values():
        if run.case.data_types == ("pull_requests",):
            seconds = f"{run.cost.response_seconds:,.0f}" if run.case.pace else "-"
            paced = f"{run.per_hour:,.0f}" if run.case.pace else "-"
            table.add_row(run.case.name, f"{run.per_token_and_hour:,.0f}", seconds, paced)
    return table if table.rows else ""


def aims_table(aims: Sequence[Aim]) -> Table:
    table = Table(title="Aims", title_justify="left")
    for name in ("", "measured", "aim", "met"):
        table.add_column(name, justify="right" if name in ("measured", "aim") else "left")
    for aim in aims:
        color = "green" if aim.met else "red" if aim.binding else "yellow"
        verdict = "yes" if aim.met else "no"
        sign = "≥" if aim.at_least else "≤"
        table.add_row(aim.what, number(aim.measured), f"{sign} {number(aim.limit)}", f"[{color}]{verdict}[/]")
    return table


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


def megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1e6:,.0f}"


def machine() -> dict[str, Any]:
    return {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}


def document(runs: Mapping[str, Run], aims: Sequence[Aim]) -> dict[str, Any]:
    """Returns the report as JSON, with the requests by operation. Counts are totals, not per thousand."""
    return {
        "machine": machine(),
        "runs": [
            asdict(run)
            | {
                "items_per_cpu_second": run.items_per_cpu_second,
                "complete": not run.faults,
                "per_token_and_hour": run.per_token_and_hour,
                "per_hour": run.per_hour,
            }
            for run in runs.values()
        ],
        "aims": [asdict(aim) | {"met": aim.met} for aim in aims],
    }
