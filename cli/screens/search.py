"""Shows the threads that a search found."""

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from store.embeddings import Hit


def table_of_hits(hits: Sequence[Hit]) -> Table:
    table = Table("", "score", "type", "thread", "title", "url", box=SIMPLE)
    for rank, hit in enumerate(hits, 1):
        kind = hit.table.removesuffix("s").replace("_", " ")
        table.add_row(str(rank), f"{hit.score:.3f}", kind, f"{hit.repository}#{hit.number}", hit.title, hit.url)
    return table
