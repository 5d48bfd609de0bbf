"""`starter.py retry`."""

from cli.actor import operator
from cli.arguments import DataTypes, Repositories
from cli.connections import connect_temporal, open_database, signal_job
from store import job_requests


async def retry(job: str, /, *, repo: Repositories = (), data_type: DataTypes = ()) -> int:
    """Retry what failed or was canceled in a job. The job resumes where it stopped, with the same cutoff.

    If the job has not ended, the retry is kept, and begins after the present attempt.

    Parameters
    ----------
    job
        The job's id.
    repo
        Only this repository of the job (owner/name). May be repeated.
    data_type
        Only this data type. May be repeated.
    """
    temporal = await connect_temporal()
    async with open_database() as database:
        async with database.transaction() as connection:
            job_id = await job_requests.ask_again(
                connection, job, actor=operator(), repositories=repo, data_types=data_type
            )
        await signal_job(temporal, database, job_id)
    return 0
