"""`starter.py status`."""

from cli.arguments import Reference, Switch
from cli.connections import open_database
from cli.console import console
from cli.jobs import exit_code, find_job, read_job
from cli.screens import job as screens


async def status(reference: Reference, /, *, json: Switch = False) -> int:
    """Show a job, or the latest of a workspace (id or slug), with everything that is known of it.

    Parameters
    ----------
    json
        As JSON.
    """
    async with open_database() as database:
        job = await read_job(database, await find_job(database, reference))
    if json:
        print(job.model_dump_json(indent=2))
    else:
        output = console()
        output.print(*screens.headlines(job), sep="\n")
        output.print(screens.table_of_types(job))
        for line in screens.lines_of_unshown(job):
            print(line)
    return exit_code(job)
