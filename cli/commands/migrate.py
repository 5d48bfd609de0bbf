"""`starter.py migrate`."""

import settings
from cli.arguments import Switch
from schema.migrate import migrate as migrate_database


async def migrate(*, replace_host_keys: Switch = False) -> int:
    """Bring the database into the shape that this release needs, and print each change. A second call changes nothing.

    Parameters
    ----------
    replace_host_keys
        Drop the host's unique index on (github_id) of comments. With this index, a conversation comment and a review
        comment with the same GitHub id cannot both be stored. Without it, the host's own upserts fail until they name
        another key.
    """
    await migrate_database(
        settings.load(settings.Database).direct_url,
        replace_host_keys=replace_host_keys,
        embedding_dimensions=settings.load(settings.Embeddings).embedding_dimensions,
        report=print,
    )
    return 0
