"""`starter.py cancel`."""

from functools import partial

from cli.arguments import Repositories, Switch
from cli.changes import change_job
from store import job_requests


async def cancel(job: str, /, *, repo: Repositories = (), json: Switch = False) -> int:
    """Stop a job, whether it runs, waits for its turn or is paused. What the job has stored stays.

    Parameters
    ----------
    job
        The job's id.
    repo
        Only this repository of the job (owner/name), while the others go on. May be repeated.
    json
        Print the job after the change as JSON, as `GET /api/backfills/JOB` answers it.
    """
    change = partial(job_requests.ask_to_stop_repositories, repositories=repo) if repo else job_requests.ask_to_stop
    return await change_job(job, change, json=json)
