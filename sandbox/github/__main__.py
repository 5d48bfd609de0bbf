"""Runs the stand-in as a program.

    python -m sandbox.github --port 0 --port-file F --export FILE --generate "owner/name?pull_requests=200&seed=1"

The program prints its address once it listens. It ends on SIGTERM and SIGINT.
"""

import argparse
import signal
import sys
import threading
from pathlib import Path

from sandbox.github.exchange.limits import Limits
from sandbox.github.exchange.pace import Pace
from sandbox.github.generation import Plan, exports, measured, repository
from sandbox.github.server.server import StandIn
from sandbox.github.world.clock import moment, stamp
from sandbox.github.world.world import World


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m sandbox.github", description="A stand-in for GitHub.")
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--port-file", type=Path, help="the port is written here when it listens")
    add("--export", type=Path, action="append", default=[], help="serve this export's repository")
    add("--generate", action="append", default=[], metavar="PLAN", help="owner/name?pull_requests=200&seed=1")
    add("--measured", action="append", default=[], metavar="NAME", help="make the shape that costs are measured on")
    add("--end", help="generated repositories end at this moment (now)")
    add("--token", action="append", default=[], help="TOKEN or TOKEN=ACCOUNT; repeat for more")
    add("--latency-ms", type=float, default=0)
    add("--pace", type=float, metavar="SCALE", help="take GitHub's time, times this")
    add("--graphql-limit", type=int, default=Limits().graphql)
    add("--rest-limit", type=int, default=Limits().core)
    add("--rest-per-minute", type=int, default=Limits().core_per_minute)
    add("--window-seconds", type=float, default=Limits().window_seconds)
    return parser


def main() -> int:
    parser = arguments()
    given = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    world = World()
    try:
        for path in given.export:
            exports.load(world, path)
        end = stamp(moment(given.end)) if given.end else None
        for text in given.generate:
            repository(world, Plan.parse(text), end=end)
        for name in given.measured:
            repository(world, measured(name), end=end)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    tokens = dict((token.split("=", 1) if "=" in token else (token, "viewer")) for token in given.token)
    stand_in = StandIn(
        world,
        tokens or None,
        limits=Limits(
            given.graphql_limit, given.rest_limit, given.window_seconds, core_per_minute=given.rest_per_minute
        ),
        pace=Pace(given.pace) if given.pace else None,
        latency=given.latency_ms / 1_000,
        host=given.host,
        port=given.port,
    )
    try:
        stand_in.start()
    except OSError as error:
        parser.error(f"--port: {error.strerror}")
    if given.port_file:
        given.port_file.write_text(stand_in.url.rpartition(":")[2])
    print(stand_in.url, flush=True)
    stopped.wait()
    stand_in.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
