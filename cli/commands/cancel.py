"""`starter.py cancel`."""

from cli.changes import change_job
from store import job_requests


async def cancel(job: str, /) -> int:
    """Stop a job, whether it runs, waits for its turn or is paused. What it stored stays."""
    return await change_job(job, job_requests.ask_to_stop)
