"""`repositories`, a table of the host. A renamed repository keeps its row. If another repository's row has the new
name, that row first gets a made-up name.

Events are stored under the repository's name, so a rename moves the events, too.
"""

from errors import PartOver
from store import feed
from store.database import Connection

# What is stored under the old name, of which nothing else will tell: a rename bumps no thread.
_RENAMED = (
    r"""
    update pull_requests set repository_full_name = $2,
      html_url = regexp_replace(html_url, '/[^/]+/[^/]+/pull/', '/' || $2 || '/pull/')
    where repository_id = $1 and $3::text is not null
      and (repository_full_name <> $2 or html_url not like '%/' || $2 || '/pull/%')
    """,
    """
    update issues set linked_prs = replace(linked_prs::text, '/' || $3 || '/pull/', '/' || $2 || '/pull/')::jsonb
    where repository_id = $1 and linked_prs::text like '%/' || $3 || '/pull/%'
    """,
    """
    update discussions set url = regexp_replace(url, '/[^/]+/[^/]+/discussions/', '/' || $2 || '/discussions/')
    where repository_id = $1 and $3::text is not null and url not like '%/' || $2 || '/discussions/%'
    """,
)


async def update(
    connection: Connection,
    repository_id: str,
    *,
    github_id: int,
    full_name: str,
    is_private: bool,
    is_archived: bool,
    has_issues: bool,
    has_discussions: bool,
) -> None:
    """Writes what GitHub says of the repository, unless the row says the same already.

    Raises `PartOver` (duplicate) if another row has this GitHub id. Nothing is changed then.
    """
    owner, _, name = full_name.partition("/")
    other = await connection.fetchval(
        "select full_name from repositories where github_id = $2 and id <> $1::uuid", repository_id, github_id
    )
    if other is not None:
        raise PartOver(
            "duplicate",
            f"{full_name} (GitHub id {github_id}) is in this database twice: its history belongs to {other}",
            f"put {other} into the workspace instead",
        )
    # Who holds the name is another repository, which is called otherwise by now: its own backfill will tell how.
    for holder in await connection.fetch(
        """
        update repositories set full_name = 'renamed/' || id, owner = 'renamed', name = id::text
        where (full_name = $2 or (owner = $3 and name = $4)) and id <> $1::uuid
        returning name
        """,
        repository_id,
        full_name,
        owner,
        name,
    ):
        await feed.carry(connection, (owner, name), ("renamed", holder["name"]))
    before = await connection.fetchrow(
        "select owner, name, full_name from repositories where id = $1 for update", repository_id
    )
    if before is not None and (before["owner"], before["name"]) != (owner, name):
        await feed.carry(connection, (before["owner"], before["name"]), (owner, name))
    await connection.execute(
        """
        update repositories set github_id = $2, full_name = $3, owner = $4, name = $5, is_private = $6,
          is_archived = $7, has_issues = $8, has_discussions = $9
        where id = $1 and (github_id, full_name, owner, name, is_private, is_archived, has_issues, has_discussions)
          is distinct from ($2, $3, $4, $5, $6, $7, $8, $9)
        """,
        repository_id,
        github_id,
        full_name,
        owner,
        name,
        is_private,
        is_archived,
        has_issues,
        has_discussions,
    )
    if before is not None and before["full_name"] != full_name:
        for statement in _RENAMED:
            await connection.execute(statement, repository_id, full_name, before["full_name"])


async def synced(connection: Connection, repository_id: str) -> None:
    await connection.execute("update repositories set last_synced_at = now() where id = $1", repository_id)
