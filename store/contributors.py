"""`contributors`: everyone who wrote, reviewed, merged or closed."""

from collections.abc import Iterable

from rows import Contributor
from store.columns import columns
from store.database import Connection

# A username that another account holds now is freed first; the account that lost it is seen under its new one later.
_FREE_USERNAMES = """
update contributors c set username = 'renamed-' || c.github_id
from unnest($1::bigint[], $2::text[]) as u(github_id, username)
where c.username = u.username and c.github_id <> u.github_id
"""

_UPSERT = """
insert into contributors as c (github_id, username, avatar_url, profile_url, is_bot)
select u.* from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::boolean[])
  as u(github_id, username, avatar_url, profile_url, is_bot)
on conflict (github_id) do update set
  username = excluded.username, avatar_url = excluded.avatar_url,
  profile_url = excluded.profile_url, is_bot = excluded.is_bot
where (c.username, c.avatar_url, c.profile_url, c.is_bot)
  is distinct from (excluded.username, excluded.avatar_url, excluded.profile_url, excluded.is_bot)
"""

# Most of a page's people are stored as they are: telling first spares their rows a lock that other sweeps wait for.
_UNKNOWN = """
select u.github_id from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::boolean[])
  as u(github_id, username, avatar_url, profile_url, is_bot)
left join contributors c on c.github_id = u.github_id
where (c.github_id, c.username, c.avatar_url, c.profile_url, c.is_bot)
  is distinct from (u.github_id, u.username, u.avatar_url, u.profile_url, u.is_bot)
"""


async def write(connection: Connection, contributors: Iterable[Contributor]) -> None:
    """Adds and updates; in the order of their ids, so that two sweeps never wait for each other in a circle."""
    rows = sorted(contributors)
    if not rows:
        return
    unknown = {row["github_id"] for row in await connection.fetch(_UNKNOWN, *columns(rows))}
    rows = [row for row in rows if row.github_id in unknown]
    if not rows:
        return
    await connection.execute(_FREE_USERNAMES, [row.github_id for row in rows], [row.username for row in rows])
    await connection.execute(_UPSERT, *columns(rows))
