"""`starter.py pause` and `starter.py resume`."""

from cli.arguments import Reference
from cli.changes import change_job
from store import job_requests


async def pause(reference: Reference, /) -> int:
    """Stop a job until it is resumed. The job keeps its position, and holds up no other job."""
    return await change_job(reference, job_requests.pause, workspaces=True)


async def resume(reference: Reference, /) -> int:
    """Resume a paused job where it stopped, behind the waiting jobs of its workspace."""
    return await change_job(reference, job_requests.resume, workspaces=True)
