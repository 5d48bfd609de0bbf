"""Runs other extractors and this system on the same generated repository, and prints what each costs and fetches.

    python -m bench.peers [--scale 0.1] [--only perceval] [--case pull_requests] [--pace 0.1] [--json]

Each of them fetches pull requests with reviews, review comments, comments and events: once from a stand-in that
answers at once, and once from a stand-in that is as slow as GitHub. Then each fetches the issues; and those that can
read many repositories in one run fetch both from a thousand small ones. Exit codes: 0 done, 1 a peer could not be
measured, or this system is incomplete or not 20 times better than the best peer, 2 bad arguments, 3 a part of this
system did not start or ended, 130 interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson
from rich.console import Console

from bench.cost import scale
from bench.peers import report
from bench.peers.airbyte import Airbyte
from bench.peers.measure import Measured, measure, ours
from bench.peers.peer import Peer
from bench.peers.perceval import Perceval
from bench.peers.tap_github import TapGitHub
from bench.program import on_processes
from bench.stage import Case, Stage
from sandbox import postgres, temporal
from sandbox.processes import Processes

PEERS: tuple[Peer, ...] = (Airbyte(), TapGitHub(), Perceval())
CASES = (
    Case("pull_requests", ("pull_requests",), 1),
    Case("paced", ("pull_requests",), 1, pace=1),
    Case("issues", ("issues",), 1),
    Case("small", ("pull_requests", "issues"), small=1_000),
)
CACHE = Path(__file__).parents[2] / ".bench"
PACE = 0.1
"""In GitHub's own time, a peer that sends one request after another would take half an hour. No peer adapts to the
duration of answers, so a faster stand-in does not change them; this system adapts, and is always measured at full
duration."""


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench.peers", description="What other extractors cost.")
    names = [peer.package for peer in PEERS]
    parser.add_argument("--only", action="append", choices=names, help="just this peer; repeat for more")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="just this; repeat")
    parser.add_argument("--scale", type=scale, default=1.0, help="of the data")
    parser.add_argument("--pace", type=float, default=PACE, help="how slowly peers are answered, times GitHub's time")
    parser.add_argument("--json", action="store_true", help="to standard output, instead of tables")
    return parser


async def run(
    processes: Processes, cases: Sequence[Case], peers: Sequence[Peer], pace: float, progress: Console
) -> list[Measured]:
    stage = Stage(processes, postgres.start(processes), temporal.start(processes))
    await stage.open()
    found = []
    for case in cases:
        for peer in (each for each in peers if each.reads_many or not case.small):
            with progress.status(f"{case.name}: {peer.package}"):
                found.append(measure(peer, replace(case, pace=case.pace * pace), stage, processes, CACHE))
        with progress.status(f"{case.name}: this system"):
            found.append(ours(await stage.run(case), case))
    return found


def main() -> int:
    given = arguments().parse_args()
    chosen = [case for case in CASES if not given.case or case.name in given.case]
    cases = [case.scaled(given.scale) for case in chosen]
    peers = [peer for peer in PEERS if not given.only or peer.package in given.only]
    found = on_processes(lambda processes: run(processes, cases, peers, given.pace, Console(stderr=True)))
    judged = report.judged(found)
    if given.json:
        print(orjson.dumps(report.document(found, judged), option=orjson.OPT_INDENT_2).decode())
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(report.tables(found, judged))
    return 0 if all(aim.met for aim in judged if aim.binding) else 1


if __name__ == "__main__":
    sys.exit(main())
