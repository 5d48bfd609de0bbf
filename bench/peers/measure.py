"""Measures a run of a peer, and a run of this system, in the same terms."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import census, log, usage
from bench.census import Share
from bench.log import Cost
from bench.peers.peer import NotInstalledError, Peer, emitted
from bench.stage import Case, Run, Stage
from errors import Unreachable
from sandbox.processes import Processes

OURS = "workspace-backfill"
SAMPLED_EVERY_SECONDS = 0.05
PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Measured:
    """One measured run. `things` are those of its first data type: pull requests, or issues."""

    tool: str
    case: Case
    things: int = 0
    shares: Mapping[str, Share] = field(default_factory=dict)
    """The share of each noun that was found."""
    cost: Cost = field(default_factory=lambda: Cost(0, 0, 0))
    seconds: float = 0
    """Duration as if the stand-in had answered in GitHub's time."""
    peak_bytes: int | None = None
    without_key: int = 0
    """Rows that the tool itself cannot tell apart."""
    error: str = ""
    """Why it could not be measured."""

    @property
    def complete(self) -> bool:
        whole = bool(self.shares) and all(share.whole for share in self.shares.values())
        return whole and not self.without_key and not self.error

    @property
    def per_token_and_hour(self) -> float:
        """How many things one token fetches in an hour. Incomplete things of a peer are counted, too."""
        return 0 if self.error else self.cost.per_token_and_hour(self.things)

    @property
    def per_hour(self) -> float:
        """As `per_token_and_hour`, by whichever is used up first: points, REST requests, or GitHub's seconds."""
        return min(self.per_token_and_hour, self.cost.per_hour_of_responses(self.things))


def ours(run: Run, case: Case) -> Measured:
    """Returns the measurement of our own run. If the run is incomplete, it counts as an error."""
    return Measured(
        OURS,
        case,
        things=run.measured[0],
        shares=run.shares,
        cost=run.cost,
        seconds=run.wall_seconds,
        peak_bytes=run.peak_bytes,
        error="; ".join(run.faults),
    )


def measure(peer: Peer, case: Case, stage: Stage, processes: Processes, cache: Path) -> Measured:
    """Runs a peer until it ends. If the peer fails, that is recorded as `error`. Raises `Unreachable` if the stand-in
    fails.
    """
    try:
        programs = peer.install(cache)
    except NotInstalledError as error:
        return Measured(peer.package, case, error=f"not installed: {error}")
    github, url = stage.stand_in(case)
    directory = processes.directory / f"{github.name}-{peer.package}"
    directory.mkdir()
    output = directory / "output.jsonl"
    started = time.monotonic()
    try:
        peak = _run(peer.commands(programs, directory, url, case), output, processes)
        seconds, cost = time.monotonic() - started, log.read(url)
    except Unreachable as error:
        return Measured(peer.package, case, error=error.message)
    finally:
        github.stop()
    if case.pace:
        # Only the time in which something was asked for grows with GitHub's.
        seconds += cost.busy_seconds / case.pace - cost.busy_seconds
    try:
        found, without_key = emitted(peer, output)
    except (KeyError, TypeError, ValueError) as error:
        return Measured(peer.package, case, error=f"wrote what is not understood: {error!r}")
    wanted = census.union(census.wanted(each, case.data_types, census.node_id) for each in case.repositories())
    return Measured(
        peer.package,
        case,
        things=len(wanted[case.data_types[0]]),
        shares=census.shares(wanted, found),
        without_key=without_key,
        cost=cost,
        seconds=seconds,
        peak_bytes=peak or None,
    )


def _run(commands: Sequence[Sequence[str | Path]], output: Path, processes: Processes) -> int:
    """Runs the commands; returns their peak memory, with that of their children. Raises `Unreachable` if one fails or
    does not end.
    """
    peak, deadline = 0, time.monotonic() + PATIENCE_SECONDS
    for command in commands:
        # The shell leaves standard error to the log: lines of both at once would spoil each other.
        into = ["sh", "-c", 'output=$1; shift; exec "$@" >> "$output"', "sh", output, *command]
        process = processes.start(output.parent.name, into, cwd=output.parent)
        while process.exit_code is None:
            peak = max(peak, usage.peak_of_tree(process.pid))
            if time.monotonic() > deadline:
                process.stop()
                last = process.tail(3) or _last(output)
                raise Unreachable("still_running", f"did not end in {PATIENCE_SECONDS:g} s: {last}")
            time.sleep(SAMPLED_EVERY_SECONDS)
        if process.exit_code:
            last = process.tail(3) or _last(output)
            raise Unreachable("part_ended", f"ended with {process.exit_code}: {last}")
    return peak


def _last(output: Path) -> str:
    return output.read_text(errors="replace")[-500:]
