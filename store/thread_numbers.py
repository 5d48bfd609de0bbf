"""Corrects stored GitHub ids and numbers of threads that contradict GitHub."""

from collections.abc import Sequence
from typing import Literal

from store.database import Connection


async def correct_github_ids(
    connection: Connection,
    table: Literal["pull_requests", "issues"],
    repository_id: str,
    github_ids: Sequence[int],
    numbers: Sequence[int],
) -> None:
    """Corrects the GitHub ids of the threads with these numbers, since the host may have stored wrong ones. An id that
    another row has is not set."""
    await connection.execute(
        f"""
        update {table} t set github_id = u.github_id
        from unnest($2::bigint[], $3::integer[]) as u(github_id, number)
        where t.repository_id = $1 and t.number = u.number and t.github_id <> u.github_id
          and not exists (select from {table} o where o.github_id = u.github_id)
        """,
        repository_id,
        github_ids,
        numbers,
    )


async def free(
    connection: Connection,
    table: Literal["pull_requests", "issues", "discussions"],
    repository_id: str,
    github_ids: Sequence[int],
    numbers: Sequence[int],
) -> None:
    """Frees each number that a thread with another GitHub id holds, by negating that thread's number."""
    await connection.execute(
        f"""
        update {table} t set number = -t.number
        from unnest($2::bigint[], $3::integer[]) as u(github_id, number)
        where t.repository_id = $1 and t.number = u.number and t.github_id <> u.github_id
        """,
        repository_id,
        github_ids,
        numbers,
    )
