"""Embeds a repository's stored threads, in passes over all stored threads. Each turn embeds one batch.

While threads are still being fetched, a pass embeds the threads that have no vector of this model. After such a pass
the sweep waits for more threads. Once all threads are stored, a pass compares every text, by its hash, with the text
that was embedded. The type is complete when all hashes are equal.

The hash is stored in the thread's own row, so a later job does not pay for the same text again.
"""

from datetime import UTC, datetime

import structlog

from activities import measures
from activities.embeddings.position import EmbeddingPosition
from activities.failures import incomplete
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
"""Most passes that compare every text. The limit ends a sweep whose texts change again and again."""
FEWEST_TOKENS = 32
"""Texts are not cut below this many tokens. If so short a text is refused as too long, its length is not the reason."""
HARMLESS = "Does this work?"
"""Sent after a refusal, to tell whether the server refuses one text or all texts."""


def without_key(full_name: str) -> Failure:
    """Returns the failure with which embeddings are skipped if no OpenAI key is set."""
    return Failure(
        code="no_openai_key",
        message="OPENAI_API_KEY is not set, so nothing is embedded",
        action="set OPENAI_API_KEY for the workers, then start a backfill of type embeddings",
        repository=full_name,
        data_type="embeddings",
    )


class EmbeddingReader:
    """Reads one embedding sweep: gets texts from Postgres, and their vectors from OpenAI."""

    positions = EmbeddingPosition
    is_ahead = False

    def __init__(self, sources: Sources, sweep: Sweep) -> None:
        self._database = sources.database
        self._embedder = sources.embedder
        self._sweep = sweep
        self._requests = 0

    def look_ahead(self, turn: Turn[EmbeddingPosition]) -> None:
        """Does nothing, because the next request is known only after the commit."""

    async def close(self) -> None:
        """Does nothing, because no request is in flight between two turns."""

    async def begin_next_leg(self, position: EmbeddingPosition) -> EmbeddingPosition:
        return position.in_next_leg()

    async def turn(self, position: EmbeddingPosition, *, threads_ended: bool) -> Turn[EmbeddingPosition]:
        """Returns the turn that embeds the next batch behind `position`. If no text is left, returns a turn that waits
        for more threads, ends the pass, or ends the type. Without an OpenAI key the type is skipped.
        """
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
                position = position.end_pass()
                turn = None if threads_ended else Turn(position, waiting="more_threads")
        turn.requests = self._requests
        turn.expected = turn.position.threads
        return turn

    # Passes

    async def _begin_pass(self, position: EmbeddingPosition, *, whole: bool) -> EmbeddingPosition:
        async with self._database.transaction() as connection:
            threads, now = await embeddings.count(connection, self._sweep)
        return position.begin_pass(whole=whole, threads=threads, as_of=now if whole else None)

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

    async def _end_pass(self, position: EmbeddingPosition) -> Turn[EmbeddingPosition]:
        """Ends a pass that compared every text. Returns the type's last turn, completed or failed. If texts changed
        during the pass, returns a turn after which another pass begins. At most `MOST_PASSES` passes compare every
        text.
        """
        assert self._embedder is not None, "a pass has an embedder"
        async with self._database.transaction() as connection:
            scope = await embeddings.scope(connection, self._sweep, self._embedder.model, self._embedder.dimensions)
            failures = await parts.failures(connection, self._sweep)
            left = await parts.take(connection, self._sweep, "embedding", False, 1_000)
        if scope.due and position.whole_passes < MOST_PASSES:
            log.info("texts changed while they were embedded", number=scope.due)
            return Turn(position.end_pass())
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
            turn.position = position.start_over()
        return turn

    def _incomplete(self, message: str) -> Failure:
        return incomplete(message, repository=self._sweep.repository.full_name, data_type=self._sweep.data_type)

    # A batch

    async def _embed(self, position: EmbeddingPosition, texts: list[Text]) -> Turn[EmbeddingPosition]:
        """Returns the turn that embeds the first of `texts`, as many as fit into one request.

        After a refusal, which costs nothing, a smaller request is sent. A text that is refused alone is recorded as
        failed.
        """
        while True:
            batch = fill((each.text for each in texts), _limits(position))
            sent = texts[: len(batch.texts)]
            try:
                vectors = await self._send(batch.texts)
            except TooLarge as error:
                if len(sent) > 1 and not isinstance(error, InputTooLong):
                    fewer = max(batch.tokens // 2, 1)
                    log.info("asking for less", tokens=fewer, why=error.message)
                    position = position.with_limit(tokens=fewer)
                elif batch.longest > FEWEST_TOKENS:
                    # Too long as the server counts: its tokens may differ from ours.
                    shorter = max(batch.longest // 2, FEWEST_TOKENS)
                    log.info("asking for less", text_tokens=shorter, why=error.message)
                    position = position.with_limit(text_tokens=shorter)
                elif len(sent) > 1:
                    position = _halved(position, sent, error)
                else:
                    return await self._refused(position, sent, error)
            except InputRefused as error:
                if len(sent) == 1:
                    return await self._refused(position, sent, error)
                position = _halved(position, sent, error)
            else:
                measures.texts_embedded(len(sent), batch.tokens)
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
        after = position.after_text(sent[-1].table, sent[-1].number).with_cut(batch.cut)
        return Turn(after, page=page, done=[_part(each, now) for each in sent])

    async def _refused(
        self, position: EmbeddingPosition, sent: list[Text], error: InputRefused | TooLarge
    ) -> Turn[EmbeddingPosition]:
        """Returns the turn that records the only text of `sent` as refused. Raises `PartOver` if the server refuses a
        harmless text, too, because the server then refuses every text.
        """
        try:
            await self._send([HARMLESS])
        except (InputRefused, TooLarge) as also:
            raise PartOver(also.code, also.message, "check EMBEDDING_MODEL and OPENAI_BASE_URL, then retry") from also
        [text] = sent
        log.warning("a text is refused", table=text.table, number=text.number, why=error.message)
        part = _part(text, datetime.now(UTC))
        if position.sizes.get("text_tokens") == FEWEST_TOKENS:
            # It was refused at any length, so its refusals say nothing about lengths.
            position = position.without_text_limit()
        after = position.clear_suspect().after_text(text.table, text.number)
        return Turn(after, put=[part], failed=[(part, f"{text.table}: {error.message}")])

    async def _send(self, texts: list[str]) -> list[list[float]]:
        assert self._embedder is not None, "what is sent is sent by an embedder"
        self._requests += 1
        return await self._embedder.embed(texts)


def _limits(position: EmbeddingPosition) -> Limits:
    """Returns the limits of a request. Limits that this sweep learned from refusals replace the usual ones."""
    return Limits(**{name: size for name, size in position.sizes.items() if name in Limits.__slots__})


def _halved(position: EmbeddingPosition, sent: list[Text], error: InputRefused | TooLarge) -> EmbeddingPosition:
    """Returns the position after the server refused the batch `sent`. The texts are sent again in batches of half the
    size. Each further refusal halves the batches, until the refused text is sent alone.
    """
    texts = len(sent) // 2
    log.info("asking for less", texts=texts, why=error.message)
    return position.suspecting(sent[-1].table, sent[-1].number, texts=texts)


def _part(text: Text, now: datetime) -> Part:
    return Part("embedding", text.node_id, text.number, now)
