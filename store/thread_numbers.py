"""GitHub's ids and the numbers of threads, where the stored ones contradict what GitHub shows."""

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
    """Gives the thread of each number its GitHub id, unless another row has it: the host may hold a wrong one."""
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
    """Takes each number from the thread that has it under another GitHub id, which keeps it negated."""
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
