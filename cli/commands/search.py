"""`starter.py search`."""

import logs
import settings
from cli.arguments import Number, Switch, ThreadTypes
from cli.connections import open_database
from cli.console import console, print_json
from cli.screens.search import table_of_hits
from embedding.batches import TEXT_TOKENS
from errors import BadInput, PartOver, RetryLater, RetryNow, TooLarge, Unreachable
from store import embeddings
from store.embeddings import Hit


async def search(
    text: str, /, *, workspace: str, limit: Number = 10, thread_type: ThreadTypes = (), json: Switch = False
) -> int:
    """Show the threads of a workspace whose meaning is nearest to a text, nearest first.

    Parameters
    ----------
    text
        The text, in any words. It is embedded by the same model as the threads.
    workspace
        Its id or slug.
    limit
        Show at most this many threads.
    thread_type
        Only threads of this type. May be repeated.
    json
        As JSON.
    """
    setting = settings.load(settings.Embeddings)
    if not text.strip():
        raise BadInput("TEXT", "is empty")
    if setting.key is None:
        raise BadInput("OPENAI_API_KEY", "missing: the text has to be embedded as the threads were")
    async with open_database() as database:
        async with database.transaction() as connection:
            await embeddings.check_dimensions(connection, setting.embedding_dimensions)
            await embeddings.find_workspace(connection, workspace)
        vector = await _embedded(text, setting, setting.key)
        async with database.transaction() as connection:
            hits = await embeddings.nearest(
                connection,
                workspace=workspace,
                model=setting.embedding_model,
                vector=vector,
                limit=limit,
                tables=thread_type or embeddings.TABLES,
            )
    if json:
        print_json(hits, list[Hit])
    else:
        nothing = f"nothing is embedded yet with {setting.embedding_model}"
        console().print(table_of_hits(hits) if hits else nothing)
    return 0


_AT_FAULT = {
    "openai_unauthorized": "OPENAI_API_KEY",
    "openai_not_found": "EMBEDDING_MODEL",
    "openai_dimensions": "EMBEDDING_DIMENSIONS",
}
"""The setting to blame, by the server's error code."""


async def _embedded(text: str, setting: settings.Embeddings, key: str) -> list[float]:
    """Returns the text's vector. Raises `BadInput` if a setting is wrong, and `Unreachable` if the server refuses for
    any other reason.
    """
    # Here and not above: no other command needs openai's package, which takes half a second.
    from embedding.client import Embedder
    from embedding.tokens import cut

    logs.register_secret(key)
    at = setting.openai_base_url, setting.embedding_model, setting.embedding_dimensions
    try:
        async with Embedder(key, *at) as embedder:
            tokens = TEXT_TOKENS
            while True:
                text, tokens = cut(text, tokens)
                try:
                    [vector] = await embedder.embed([text])
                except TooLarge:
                    # As this server counts.
                    if tokens < 2:
                        raise
                    tokens //= 2
                else:
                    return vector
    except (RetryLater, RetryNow, PartOver) as error:
        if error.code in _AT_FAULT:
            raise BadInput(_AT_FAULT[error.code], error.message) from error
        raise Unreachable(error.code, f"{error.message} ({error.action})" if error.action else error.message) from error
