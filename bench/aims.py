"""What a backfill is meant to cost, beside what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.stage import Run

REQUESTS = 100
POINTS = 100
ITEMS_PER_CPU_SECOND = 3_000
PEAK_MB = 200
EMBEDDINGS_PER_SECOND = 200
"""Of a server that answers at once: what is ours of it."""
EMBEDDINGS_PER_REQUEST = 100
GROWTH = 1.25
"""How many times the memory ten times the data may take and still be called flat."""


@dataclass(frozen=True)
class Aim:
    """`measured` is met if it is at most (`at_least`: at least) `limit`; a miss of a `binding` one fails the bench."""

    what: str
    measured: float
    limit: float
    at_least: bool = False
    binding: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def per_thousand(number: float, things: int) -> float:
    """Infinite where there are none."""
    return number * 1_000 / things if things else float("inf")


def judged(runs: Mapping[str, Run]) -> list[Aim]:
    """The aims that these runs, by name, can be measured against.

    Counts are the same on every machine, so they bind. Times and memory depend on it, so they are only shown.
    """
    aims = [
        Aim(f"{run.case.name}: signs of being incomplete", len(run.faults), 0, binding=True) for run in runs.values()
    ]
    if pulls := runs.get("pull_requests"):
        requests = per_thousand(pulls.cost.requests, pulls.pull_requests)
        points = per_thousand(pulls.cost.points, pulls.pull_requests)
        aims.append(Aim("requests per 1,000 pull requests", requests, REQUESTS, binding=True))
        aims.append(Aim("points per 1,000 pull requests", points, POINTS, binding=True))
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
