"""`starter.py status`."""

from api.models import Backfill
from cli.arguments import Reference, Switch
from cli.connections import open_database
from cli.console import console
from cli.jobs import exit_code, find_job, read_job
from cli.screens.status import report


async def status(reference: Reference, /, *, json: Switch = False) -> int:
    """Show everything that is known of a job, or of the latest job of a workspace (id or slug).

    Exit code 1: the job was canceled, failed, or ended with failures.

    Parameters
    ----------
    json
        As JSON: what `GET /api/backfills/JOB` answers.
    """
    async with open_database() as database:
        job = await read_job(database, await find_job(database, reference))
    if json:
        print(Backfill.model_validate(job).model_dump_json(indent=2))
    else:
        output = console()
        for part in report(job, output.width):
            output.print(part)
    return exit_code(job)
