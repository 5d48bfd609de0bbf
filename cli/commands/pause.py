"""`starter.py pause` and `starter.py resume`."""

from cli.arguments import Reference
from cli.changes import change_job
from store import job_requests


async def pause(reference: Reference, /) -> int:
    """Stop a job until it is resumed. It keeps its place in its history, and holds up no other job."""
    return await change_job(reference, job_requests.pause, workspaces=True)


async def resume(reference: Reference, /) -> int:
    """Go on with a paused job where it stood, behind the jobs of its workspace that wait."""
    return await change_job(reference, job_requests.resume, workspaces=True)
