"""Measures what one backfill costs: each data type alone, all of them together, and with a GitHub that answers slowly.

    python -m bench.cost [--scale 0.1] [--only pull_requests] [--json]

Exit codes: 0 done, 1 a backfill was incomplete or missed an aim on points or requests, 2 bad arguments, 3 a part did
not start or ended, 130 interrupted. Aims on time and memory are only shown.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import orjson
from rich.console import Console

from bench import aims, report
from bench.program import on_processes
from bench.stage import Case, Run, Stage
from messages import DATA_TYPES
from sandbox import postgres, temporal
from sandbox.processes import Processes

DISCUSSIONS = {"discussions": 1_000, "deep_discussions": 5, "deep_replies": 3}
EVENTS = {"stars": 1_000, "forks": 1_000, "releases": 1_000, "pushes": 1_000}
CASES = (
    Case("pull_requests", ("pull_requests",), 1),
    Case("paced", ("pull_requests",), 1, pace=1),
    Case("200ms", ("pull_requests",), 1, latency_ms=200),
    Case("issues", ("issues",), 1),
    Case("discussions", ("discussions",), 1, beside=DISCUSSIONS),
    Case("events", ("events",), 1, beside=EVENTS),
    Case("1x", DATA_TYPES, 1),
    Case("10x", DATA_TYPES, 10),
    Case("embeddings", ("embeddings",), 1, after=("pull_requests", "issues")),
)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench.cost", description="What a backfill costs.")
    names = [case.name for case in CASES]
    parser.add_argument("--only", action="append", choices=names, help="just this case; repeat for more")
    parser.add_argument("--scale", type=scale, default=1.0, help="of the data; the aims are meant for 1")
    parser.add_argument("--json", action="store_true", help="to standard output, instead of tables")
    return parser


def scale(text: str) -> float:
    scale = float(text)
    if not 0.001 <= scale <= 100:
        raise argparse.ArgumentTypeError("must be between 0.001 and 100")
    return scale


async def measure(processes: Processes, cases: Sequence[Case], progress: Console) -> dict[str, Run]:
    """Runs the cases; returns the runs by name."""
    stage = Stage(processes, postgres.start(processes), temporal.start(processes))
    await stage.open()
    # In GitHub's own time nearly all of it is waiting: the other cases run meanwhile.
    paced = {case.name: asyncio.create_task(stage.run(case)) for case in cases if case.pace}
    runs = {}
    try:
        for case in cases:
            if not case.pace:
                with progress.status(
                    f"{case.name}: backfilling {round(case.scale * 1_000):,} pull requests' worth of data"
                ):
                    runs[case.name] = await stage.run(case)
        for name, run in paced.items():
            with progress.status(f"{name}: backfilling in GitHub's own time"):
                runs[name] = await run
    finally:
        for run in paced.values():
            run.cancel()
    return {case.name: runs[case.name] for case in cases}


def main() -> int:
    given = arguments().parse_args()
    cases = [case.scaled(given.scale) for case in CASES if not given.only or case.name in given.only]
    runs = on_processes(lambda processes: measure(processes, cases, Console(stderr=True)))
    judged = aims.judged(runs)
    if given.json:
        print(orjson.dumps(report.document(runs, judged), option=orjson.OPT_INDENT_2).decode())
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(report.tables(runs, judged))
    return 0 if all(aim.met for aim in judged if aim.binding) else 1


if __name__ == "__main__":
    sys.exit(main())
