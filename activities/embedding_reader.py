"""How the threads of a repository get their embeddings: pass after pass over what is stored, a batch a turn.

While threads arrive, a pass looks for those without a vector of this model, and its end waits for more. Once all are
stored, a pass compares every text's hash with the one that its vector was made of; the type is complete when nothing
is left that differs. Nothing is remembered of what was embedded but the rows themselves, so a text is paid for once,
by whichever job comes first.
"""

from dataclasses import replace
from datetime import UTC, datetime

import structlog

from activities.position import EmbeddingPosition
from activities.turn import Sources, Turn
from embedding.batches import Batch, Limits, fill
from embedding.refusals import InputRefused, InputTooLong
from errors import PartOver, TooLarge
from messages import Failure
from rows import Embedding, Page, Part
from store import embeddings, parts
from store.embeddings import Place, Text
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

MOST_PASSES = 3
"""Over everything: texts that change while they are embedded must not keep a job for ever."""
FEWEST_TOKENS = 32
"""What a server refuses as too long even so is refused for another reason."""
HARMLESS = "Does this work?"
"""Asked for when a text is refused, to tell a text that is refused from a server that refuses everything."""


def without_key(full_name: str) -> Failure:
    """Why embeddings are skipped where no key is set."""
    return Failure(
        code="no_openai_key",
        message="OPENAI_API_KEY is not set, so nothing is embedded",
        action="set OPENAI_API_KEY for the workers, then start a backfill of type embeddings",
        repository=full_name,
        data_type="embeddings",
    )


class EmbeddingReader:
    """Reads one sweep: from Postgres what is to be embedded, from OpenAI the vectors."""

    positions = EmbeddingPosition
    is_ahead = False

    def __init__(self, sources: Sources, sweep: Sweep) -> None:
        self._database = sources.database
        self._embedder = sources.embedder
        self._sweep = sweep
        self._requests = 0

    def look_ahead(self, turn: Turn[EmbeddingPosition]) -> None:
        """Nothing: what comes next depends on what is committed."""

    async def close(self) -> None:
        """Nothing is ever under way between two turns."""

    async def resume(self, position: EmbeddingPosition) -> EmbeddingPosition:
        return position.in_next_leg()

    async def turn(self, position: EmbeddingPosition, *, threads_ended: bool) -> Turn[EmbeddingPosition]:
        """The next batch after `position`; behind the last one, whether that is all."""
        if self._embedder is None:
            failure = without_key(self._sweep.repository.full_name)
            return Turn(position, outcome="skipped", failure=failure)
        self._requests = 0
        turn: Turn[EmbeddingPosition] | None = None
        while turn is None:
            if position.between:
                position = await self._begin_pass(position, whole=threads_ended)
            limits = _limits(position)
            texts = await self._due(position, limits.texts)
            if texts:
                turn = await self._embed(position, texts)
            elif position.whole:
                turn = await self._end_pass(position)
            else:
                position = replace(position, between=True)
                turn = None if threads_ended else Turn(position, waiting="more_threads")
        turn.requests = self._requests
        turn.expected = turn.position.threads
        return turn

    # Passes

    async def _begin_pass(self, position: EmbeddingPosition, *, whole: bool) -> EmbeddingPosition:
        async with self._database.transaction() as connection:
            threads, now = await embeddings.count(connection, self._sweep)
        return replace(
            position,
            between=False,
            passes=position.passes + 1,
            whole=whole,
            whole_passes=position.whole_passes + whole,
            table=embeddings.TABLES[0],
            number=None,
            threads=threads,
            as_of=now if whole else None,
        )

    async def _due(self, position: EmbeddingPosition, most: int) -> list[Text]:
        assert self._embedder is not None, "nothing is looked for without an embedder"
        async with self._database.transaction() as connection:
            return await embeddings.due(
                connection,
                self._sweep,
                self._embedder.model,
                self._embedder.dimensions,
                Place(position.table, position.number),
                changed=position.whole,
                most=most,
            )

    async def _end_pass(self, position: EmbeddingPosition) -> Turn[EmbeddingPosition] | None:
        """The type's end, or None where texts changed during the pass and another one is due."""
        assert self._embedder is not None, "a pass has an embedder"
        async with self._database.transaction() as connection:
            scope = await embeddings.scope(connection, self._sweep, self._embedder.model, self._embedder.dimensions)
            failures = await parts.failures(connection, self._sweep)
            left = await parts.take(connection, self._sweep, "embedding", False, 1_000)
        if scope.due and position.whole_passes < MOST_PASSES:
            log.info("texts changed while they were embedded", number=scope.due)
            return Turn(replace(position, between=True))
        proof = {
            "as_of": position.as_of.isoformat() if position.as_of else None,
            "proved_by": "every text in scope, by its hash, against its vector's",
            "threads": scope.threads,
            "embedded": scope.with_text - scope.due - len(failures),
            "without_text": scope.threads - scope.with_text,
            "cut": position.cut,
            "model": self._embedder.model,
            "dimensions": self._embedder.dimensions,
        }
        turn = Turn(position, outcome="completed", proof=proof, done=left)
        if failures:
            numbers = ", ".join(f"#{number}" for number, _ in failures[:50])
            turn.failure = self._incomplete(
                f"{len(failures)} of {scope.threads} threads could not be embedded: {numbers}"
                f" (the first: {failures[0][1]})"
            )
        elif scope.due:
            turn.failure = self._incomplete(f"{scope.due} of {scope.threads} threads changed again and again")
        if turn.failure is not None:
            turn.outcome = "failed"
            # A retry goes over everything again, with what was learned.
            turn.position = replace(position, between=True, whole_passes=0, table=embeddings.TABLES[0], number=None)
        return turn

    def _incomplete(self, message: str) -> Failure:
        return Failure(
            code="incomplete",
            message=message,
            action="retry the job: what is missing is asked for again",
            repository=self._sweep.repository.full_name,
            data_type=self._sweep.data_type,
        )

    # A batch

    async def _embed(self, position: EmbeddingPosition, texts: list[Text]) -> Turn[EmbeddingPosition]:
        """As many of `texts`, from the first on, as one request takes.

        What is refused costs nothing, and less is asked for; a text that is refused alone is recorded.
        """
        while True:
            batch = fill((each.text for each in texts), _limits(position))
            sent = texts[: len(batch.texts)]
            try:
                vectors = await self._send(batch.texts)
            except TooLarge as error:
                if len(sent) > 1 and not isinstance(error, InputTooLong):
                    position = _smaller(position, tokens=max(batch.tokens // 2, 1), why=error)
                elif batch.longest > FEWEST_TOKENS:
                    # Too long as the server counts, whose tokens may be others than ours.
                    position = _smaller(position, text_tokens=max(batch.longest // 2, FEWEST_TOKENS), why=error)
                elif len(sent) > 1:
                    position = _halved(position, sent, error)
                else:
                    return await self._refused(position, sent, error)
            except InputRefused as error:
                if len(sent) == 1:
                    return await self._refused(position, sent, error)
                position = _halved(position, sent, error)
            else:
                return self._embedded(position, batch, sent, vectors)

    def _embedded(
        self, position: EmbeddingPosition, batch: Batch, sent: list[Text], vectors: list[list[float]]
    ) -> Turn[EmbeddingPosition]:
        assert self._embedder is not None, "vectors come from an embedder"
        model, now = self._embedder.model, datetime.now(UTC)
        page = Page(now)
        page.embeddings = [
            Embedding(each.table, each.github_id, each.content_hash, model, vector)
            for each, vector in zip(sent, vectors, strict=True)
        ]
        after = replace(_behind(position, sent[-1]), cut=position.cut + batch.cut)
        return Turn(after, page=page, done=[_part(each, now) for each in sent])

    async def _refused(
        self, position: EmbeddingPosition, sent: list[Text], error: InputRefused | TooLarge
    ) -> Turn[EmbeddingPosition]:
        """One text is refused by itself. A harmless one tells whether it is the text's fault."""
        try:
            await self._send([HARMLESS])
        except (InputRefused, TooLarge) as also:
            raise PartOver(also.code, also.message, "check EMBEDDING_MODEL and OPENAI_BASE_URL, then retry") from also
        [text] = sent
        log.warning("a text is refused", table=text.table, number=text.number, why=error.message)
        part = _part(text, datetime.now(UTC))
        after = _behind(position, text, all_clear=True)
        return Turn(after, put=[part], failed=[(part, f"{text.table}: {error.message}")])

    async def _send(self, texts: list[str]) -> list[list[float]]:
        assert self._embedder is not None, "what is sent is sent by an embedder"
        self._requests += 1
        return await self._embedder.embed(texts)


def _limits(position: EmbeddingPosition) -> Limits:
    """What fits into a request, as far as this sweep has learned it."""
    return Limits(**{name: size for name, size in position.sizes.items() if name in Limits.__slots__})


def _smaller(position: EmbeddingPosition, *, why: PartOver | TooLarge, **sizes: int) -> EmbeddingPosition:
    log.info("asking for less", **sizes, why=why.message)
    return replace(position, sizes=position.sizes | sizes)


def _halved(position: EmbeddingPosition, sent: list[Text], error: InputRefused | TooLarge) -> EmbeddingPosition:
    """One of these is refused: smaller batches up to the last of them, until it stands alone."""
    end = position.suspect or (sent[-1].table, sent[-1].number)
    return replace(_smaller(position, texts=len(sent) // 2, why=error), suspect=end)


def _behind(position: EmbeddingPosition, text: Text, *, all_clear: bool = False) -> EmbeddingPosition:
    """On from this text; behind the batch that was refused (or its cause: `all_clear`) with full batches again."""
    sizes, suspect = position.sizes, position.suspect
    if all_clear and sizes.get("text_tokens") == FEWEST_TOKENS:
        # It was refused at any length: from that nothing is learned.
        sizes = {name: size for name, size in sizes.items() if name != "text_tokens"}
    order = embeddings.TABLES.index
    if suspect and (all_clear or (order(text.table), text.number) >= (order(suspect[0]), suspect[1])):
        sizes, suspect = {name: size for name, size in sizes.items() if name != "texts"}, None
    return replace(position, table=text.table, number=text.number, sizes=sizes, suspect=suspect)


def _part(text: Text, now: datetime) -> Part:
    return Part("embedding", text.node_id, text.number, now)
