"""`starter.py migrate`."""

import settings
from cli.arguments import Switch
from schema.migrate import migrate as migrate_database


async def migrate(*, replace_host_keys: Switch = False) -> int:
    """Bring the database into the shape this release needs; repeatable.

    Parameters
    ----------
    replace_host_keys
        Drop the host's unique (github_id) of comments, under which two kinds of comments can collide.
    """
    await migrate_database(
        settings.load(settings.Database).direct_url,
        replace_host_keys=replace_host_keys,
        embedding_dimensions=settings.load(settings.Embeddings).embedding_dimensions,
        report=print,
    )
    return 0
