"""The position of an embedding sweep, and each step that it can take."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from activities.position import Position
from rows import ThreadTable
from store.embeddings import TABLES


@dataclass(frozen=True, kw_only=True)
class EmbeddingPosition(Position):
    """The position of an embedding sweep: the last thread, by table and number, that the present pass over the stored
    threads has embedded.

    A pass with `whole` compares every text, by its hash, with the text that was embedded. `as_of` is then the moment
    when the pass began. Any other pass only finds threads without a vector, and `as_of` is None.

    `sizes` has the limits that were learned from refusals: `texts` and `tokens` of a request, and `text_tokens` of each
    text.
    """

    between: bool = True
    """Whether the next turn begins a new pass."""
    table: ThreadTable = "pull_requests"
    number: int | None = None
    """The pass resumes behind this thread; None: at the beginning of the table."""
    whole: bool = False
    """Whether the present pass compares every text with its vector's hash."""
    passes: int = 0
    whole_passes: int = 0
    threads: int | None = None
    """Threads in scope when the pass began."""
    suspect: tuple[ThreadTable, int] | None = None
    """The last thread of a refused batch. Batches stay small until they are past it."""
    cut: int = 0
    """Texts that were cut because they exceed the model's limit."""

    def begin_pass(self, *, whole: bool, threads: int, as_of: datetime | None) -> Self:
        """Returns the position at the beginning of the next pass, over `threads` threads.

        If `whole`, the pass compares every text, by its hash, with the text that was embedded. Otherwise the pass only
        embeds threads without a vector. `as_of` is the moment when a whole pass begins, and None for other passes.
        """
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
        """Returns the position between the pass that has ended and the next one."""
        return replace(self, between=True)

    def start_over(self) -> Self:
        """Returns the position for a retry. The retry begins a new pass, counts whole passes from 0 again, and keeps
        the learned limits.
        """
        return replace(self, between=True, whole_passes=0, table=TABLES[0], number=None)

    def after_text(self, table: ThreadTable, number: int) -> Self:
        """Returns the position behind this thread. If this thread is the last one of a batch that the model refused, or
        comes after it, batches return to their full size.
        """
        after = replace(self, table=table, number=number)
        if self.suspect is not None and _order(table, number) >= _order(*self.suspect):
            return after.clear_suspect()
        return after

    def clear_suspect(self) -> Self:
        """Returns the position after the refused text was found. Batches return to their full size."""
        return replace(self, sizes=_without(self.sizes, "texts"), suspect=None) if self.suspect is not None else self

    def with_limit(
        self, *, texts: int | None = None, tokens: int | None = None, text_tokens: int | None = None
    ) -> Self:
        """Returns the position with other limits: the texts of a request, the tokens of a request, or the tokens of
        each text. A limit that is None stays as it is.
        """
        given = {"texts": texts, "tokens": tokens, "text_tokens": text_tokens}
        return replace(self, sizes=self.sizes | {name: size for name, size in given.items() if size is not None})

    def without_text_limit(self) -> Self:
        """Returns the position without a limit on the length of a text."""
        return replace(self, sizes=_without(self.sizes, "text_tokens"))

    def suspecting(self, table: ThreadTable, number: int, *, texts: int) -> Self:
        """Returns the position after the model refused a batch because of one of its texts. `table` and `number` name
        the batch's last thread. Until the refused text is found, requests have `texts` texts each.

        If the batch is a part of a larger refused batch, the last thread of the larger batch stays recorded.
        """
        return replace(self.with_limit(texts=texts), suspect=self.suspect or (table, number))

    def with_cut(self, cut: int) -> Self:
        """Returns the position with `cut` added to the number of texts that were cut to the model's limit."""
        return replace(self, cut=self.cut + cut)


def _order(table: ThreadTable, number: int) -> tuple[int, int]:
    return TABLES.index(table), number


def _without(sizes: Mapping[str, int], name: str) -> dict[str, int]:
    return {each: size for each, size in sizes.items() if each != name}
