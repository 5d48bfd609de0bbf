"""Where the embedding of a repository's threads stands, and how it moves."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from activities.position import Position
from rows import ThreadTable
from store.embeddings import TABLES


@dataclass(frozen=True, kw_only=True)
class EmbeddingPosition(Position):
    """The resume point of a sweep over stored threads: a place in a pass over all of them, by table and number.

    `sizes`: `texts` and `tokens` of a request, `text_tokens` of each text. `as_of`: when a pass over everything began.
    """

    between: bool = True
    """A new pass is to begin."""
    table: ThreadTable = "pull_requests"
    number: int | None = None
    """The pass goes on behind it; None: at the table's beginning."""
    whole: bool = False
    """This pass compares every text with its vector's hash; else it only looks for threads without a vector."""
    passes: int = 0
    whole_passes: int = 0
    threads: int | None = None
    """In scope when the pass began."""
    suspect: tuple[ThreadTable, int] | None = None
    """The last thread of a batch that was refused: until it is passed, smaller batches are sent."""
    cut: int = 0
    """Texts that were longer than what the model takes."""

    def begin_pass(self, *, whole: bool, threads: int, as_of: datetime | None) -> Self:
        """At the beginning of the next pass, over `threads` threads."""
        return replace(
            self,
            between=False,
            passes=self.passes + 1,
            whole=whole,
            whole_passes=self.whole_passes + whole,
            table=TABLES[0],
            number=None,
            threads=threads,
            as_of=as_of,
        )

    def end_pass(self) -> Self:
        """Another pass is to follow."""
        return replace(self, between=True)

    def start_over(self) -> Self:
        """For a retry: all passes again, with what was learned about sizes."""
        return replace(self, between=True, whole_passes=0, table=TABLES[0], number=None)

    def after_text(self, table: ThreadTable, number: int) -> Self:
        """Behind this thread's text. Behind a batch that was refused, batches have their full size again."""
        after = replace(self, table=table, number=number)
        if self.suspect is not None and _order(table, number) >= _order(*self.suspect):
            return after.clear_suspect()
        return after

    def clear_suspect(self) -> Self:
        """The cause of a refusal is found: batches have their full size again."""
        return replace(self, sizes=_without(self.sizes, "texts"), suspect=None) if self.suspect is not None else self

    def with_limit(
        self, *, texts: int | None = None, tokens: int | None = None, text_tokens: int | None = None
    ) -> Self:
        """Sends requests of at most so many texts, so many tokens, or texts of so many tokens each."""
        given = {"texts": texts, "tokens": tokens, "text_tokens": text_tokens}
        return replace(self, sizes=self.sizes | {name: size for name, size in given.items() if size is not None})

    def without_text_limit(self) -> Self:
        """Forgets how long a text may be."""
        return replace(self, sizes=_without(self.sizes, "text_tokens"))

    def suspecting(self, table: ThreadTable, number: int, *, texts: int) -> Self:
        """One text up to this one is refused: batches of `texts` until it is found. The first suspicion stays."""
        return replace(self.with_limit(texts=texts), suspect=self.suspect or (table, number))

    def with_cut(self, cut: int) -> Self:
        """So many more texts were cut."""
        return replace(self, cut=self.cut + cut)


def _order(table: ThreadTable, number: int) -> tuple[int, int]:
    return TABLES.index(table), number


def _without(sizes: Mapping[str, int], name: str) -> dict[str, int]:
    return {each: size for each, size in sizes.items() if each != name}
