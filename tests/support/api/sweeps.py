"""Writes a repository's progress row and its sweeps as a worker leaves them."""

import uuid
from typing import Any

import asyncpg


async def sweep(host: asyncpg.Connection, job_id: str, repository: str, data_type: str, **columns: Any) -> None:
    await host.execute(
        """
        insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, counts, expected, error, proof)
        select $1, id, $3, $4, $5, $6, $7, $8 from repositories where full_name = $2
        """,
        uuid.UUID(job_id),
        repository,
        data_type,
        columns.get("status", "in_progress"),
        columns.get("counts", {}),
        columns.get("expected"),
        columns.get("error"),
        columns.get("proof"),
    )
