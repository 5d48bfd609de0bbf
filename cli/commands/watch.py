"""`starter.py watch`."""

from collections.abc import AsyncIterator

from rich.console import Console
from rich.live import Live

from cli.arguments import Reference
from cli.connections import open_database
from cli.console import console
from cli.jobs import exit_code, find_job, follow_job
from cli.screens import job as screens
from cli.words import clock
from progress.views import JobView


async def watch(reference: Reference, /) -> int:
    """Show a job's progress until it has ended. Ctrl-C ends the watching, not the job."""
    output = console()
    show = _on_screen if output.is_terminal else _in_lines
    async with open_database() as database:
        job_id = await find_job(database, reference)
        job = await show(output, follow_job(database, job_id))
    for line in screens.lines_of_unshown(job):
        print(line)
    return exit_code(job)


async def _on_screen(output: Console, views: AsyncIterator[JobView]) -> JobView:
    with Live(console=output, auto_refresh=False) as live:
        async for job in views:
            live.update(screens.screen(job), refresh=True)
    return job


async def _in_lines(_output: Console, views: AsyncIterator[JobView]) -> JobView:
    """One line for each thing that has changed."""
    told: dict[str, str] = {}
    async for job in views:
        lines = screens.lines(job)
        for about, line in lines.items():
            if told.get(about) != line:
                print(f"{clock(job.as_of, seconds=True)} {about}: {line}", flush=True)
        told = lines
    return job
