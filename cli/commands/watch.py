"""`starter.py watch`."""

import asyncio
import sys
from collections.abc import AsyncIterator

from rich.console import Console
from rich.live import Live

from cli.arguments import Reference
from cli.connections import open_database
from cli.console import console
from cli.jobs import Look, exit_code, find_job, follow_job
from cli.rates import Rates
from cli.screens.lines import Lines
from cli.screens.live import screen
from cli.screens.summary import unshown_lines
from progress.views import JobView

MOST_UNSHOWN = 12
"""How many of the things that GitHub does not show are named at the end, at most."""


async def watch(reference: Reference, /) -> int:
    """Show a job's progress until it has ended. Ctrl-C ends the watching, not the job.

    Exit code 1: the job was canceled, failed, or ended with failures.
    """
    output = console()
    draws = output.is_terminal and not output.is_dumb_terminal
    async with open_database() as database:
        job_id = await find_job(database, reference)
        looks = follow_job(database, job_id)
        try:
            job = await (_draw(output, looks) if draws else _write(looks))
        except asyncio.CancelledError:  # what Ctrl-C makes of it
            print(f"starter: the job goes on; `starter.py watch {job_id}` shows it again", file=sys.stderr)
            raise
    if not draws:
        for line in unshown_lines(job, MOST_UNSHOWN, output.width):
            print(line)
    return exit_code(job)


async def _draw(output: Console, looks: AsyncIterator[Look]) -> JobView:
    rates = Rates()
    with Live(console=output, auto_refresh=False, vertical_overflow="crop") as live:
        async for look in looks:
            if look.away_since is None:
                rates.add(look.job)
            live.update(screen(look, rates, output), refresh=True)
    return look.job


async def _write(looks: AsyncIterator[Look]) -> JobView:
    lines = Lines()
    async for look in looks:
        for line in lines.of(look):
            print(line, flush=True)
    return look.job
