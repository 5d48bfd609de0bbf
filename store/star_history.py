"""`repository_star_history`: stars by day, for repositories whose stargazers GitHub does not show."""

from collections.abc import Sequence

from rows import StarDay
from store.columns import columns
from store.database import Connection

_UPSERT = """
insert into repository_star_history as t (repository_id, day, stars)
select $1, u.day, u.stars from unnest($2::date[], $3::int[]) as u(day, stars)
on conflict (repository_id, day) do update set stars = excluded.stars where t.stars <> excluded.stars
"""


async def write(connection: Connection, repository_id: str, days: Sequence[StarDay]) -> None:
    """Adds days, and corrects the numbers of stored days. GitHub's number of an earlier day changes when people take
    stars back.
    """
    if days:
        await connection.execute(_UPSERT, repository_id, *columns(days))
