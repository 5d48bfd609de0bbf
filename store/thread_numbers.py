"""Corrects the numbers and GitHub ids of stored threads for which GitHub has other values."""

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
    """Corrects the stored GitHub ids of the threads with these numbers, because the host may have stored wrong ids. An
    id that another row has already is not written.
    """
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
    """Frees `numbers` for the threads `github_ids`, because a number is unique in its repository. If another stored
    thread has one of these numbers, that thread's number is negated.
    """
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
