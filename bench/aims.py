"""The aims for what a backfill costs, and whether the measured costs meet them."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.stage import Run

PULL_REQUESTS = {"points": 50, "REST requests": 50}
"""For 1,000 pull requests with all their children."""
ISSUES = {"points": 15, "REST requests": 15}
"""For 500 issues."""
PULL_REQUESTS_PER_TOKEN_AND_HOUR = 100_000
WALL_TO_BUSY = 1.3
ITEMS_PER_CPU_SECOND = 3_000
PEAK_MB = 200
EMBEDDINGS_PER_SECOND = 200
"""With a server that answers at once, so that only our own work counts."""
EMBEDDINGS_PER_REQUEST = 100
GROWTH = 1.25
"""How much more memory ten times the data may take and still count as constant."""


@dataclass(frozen=True)
class Aim:
    """One aim. `measured` meets it if it is at most `limit` (with `at_least`: at least `limit`). If a `binding` aim is
    missed, the bench fails.
    """

    what: str
    measured: float
    limit: float
    at_least: bool = False
    binding: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def per(number: float, of: int, things: int) -> float:
    """Returns what `things` things cost, if `of` things cost `number`; infinite if `of` is 0."""
    return number * of / things if things else float("inf")


def judged(runs: Mapping[str, Run]) -> list[Aim]:
    """Returns the aims that apply to these runs, which are given by name.

    Counts are the same on every machine, so their aims are binding. Times and memory depend on the machine, so they
    are only shown.
    """
    aims = [
        Aim(f"{run.case.name}: signs of being incomplete", len(run.faults), 0, binding=True) for run in runs.values()
    ]
    if run := runs.get("pull_requests"):
        aims += _budgets(run, 1_000, run.pull_requests, PULL_REQUESTS)
        limit = PULL_REQUESTS_PER_TOKEN_AND_HOUR
        what = "complete pull requests per token and hour"
        aims.append(Aim(what, run.per_token_and_hour, limit, at_least=True, binding=True))
    if run := runs.get("issues"):
        aims += _budgets(run, 500, run.issues, ISSUES)
    if run := runs.get("200ms"):
        aims.append(Aim("200ms: wall time, to that of the requests alone", run.wall_to_busy, WALL_TO_BUSY))
    for name in ("1x", "10x"):
        if run := runs.get(name):
            speed = run.items_per_cpu_second
            aims.append(Aim(f"{name}: items per CPU second", speed, ITEMS_PER_CPU_SECOND, at_least=True))
            if run.peak_bytes is not None:
                aims.append(Aim(f"{name}: peak memory, MB", run.peak_bytes / 1e6, PEAK_MB))
    if run := runs.get("embeddings"):
        per_request = run.embeddings / max(run.embedding_requests, 1)
        aims.append(Aim("embeddings per request", per_request, EMBEDDINGS_PER_REQUEST, at_least=True, binding=True))
        per_second = run.embeddings / max(run.wall_seconds, 0.001)
        aims.append(Aim("embeddings per second", per_second, EMBEDDINGS_PER_SECOND, at_least=True))
    if (small := runs.get("1x")) and (large := runs.get("10x")) and small.peak_bytes and large.peak_bytes:
        aims.append(Aim("peak memory, 10x to 1x", large.peak_bytes / small.peak_bytes, GROWTH))
    return aims


def _budgets(run: Run, of: int, things: int, limits: Mapping[str, int]) -> list[Aim]:
    spent = {"points": run.cost.points, "REST requests": run.cost.rest}
    return [
        Aim(f"{run.case.name}: {what} for {of:,}", per(spent[what], of, things), limit, binding=True)
        for what, limit in limits.items()
    ]
