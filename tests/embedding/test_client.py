"""What OpenAI's answers mean to us."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from embedding.client import LONGEST_WAIT, UNTOLD_WAIT, Embedder
from embedding.refusals import InputRefused, InputTooLong
from errors import BackfillError, PartOver, RetryLater, RetryNow, TooLarge
from sandbox.embeddings import EmbeddingServer, Refused, out_of_quota, rate_limited, server_error
from sandbox.ports import LOOPBACK
from tests.support.serving import serving

MODEL = "text-embedding-3-small"
CONTEXT = "This model's maximum context length is 8192 tokens, however you requested 9000 tokens."


@pytest.fixture
async def embedder(embeddings: EmbeddingServer) -> AsyncIterator[Embedder]:
    async with Embedder(embeddings.token, embeddings.url, MODEL, 384) as embedder:
        yield embedder


async def test_vectors_come_in_the_order_of_their_texts(embedder: Embedder, embeddings: EmbeddingServer) -> None:
    both = await embedder.embed(["one text", "another"])
    assert [len(vector) for vector in both] == [384, 384]
    assert [await embedder.embed([text]) for text in ("one text", "another")] == [[both[0]], [both[1]]]
    assert [each.status for each in embeddings.requests] == [200] * 3


REFUSALS: list[tuple[Refused, type[BackfillError], str]] = [
    (out_of_quota(), PartOver, "openai_quota"),
    (server_error(), RetryNow, "openai_unavailable"),
    (Refused(502, "bad gateway"), RetryNow, "openai_unavailable"),
    (Refused(408, "timeout"), RetryNow, "openai_unavailable"),
    (Refused(401, "Incorrect API key provided.", code="invalid_api_key"), PartOver, "openai_unauthorized"),
    (Refused(403, "not for you"), PartOver, "openai_unauthorized"),
    (Refused(404, "The model does not exist", code="model_not_found"), PartOver, "openai_not_found"),
    (Refused(405, "not here"), PartOver, "openai_refused"),
    (Refused(413, "payload too large"), TooLarge, "openai_too_large"),
    (Refused(429, "Request too large on tokens per min (TPM): Limit 9, Requested 10"), TooLarge, "openai_too_large"),
    (Refused(400, "array too long", code="array_above_max_length"), TooLarge, "openai_too_large"),
    (Refused(400, "Requested 400000 tokens, max 300000 tokens per request"), TooLarge, "openai_too_large"),
    (Refused(400, "Invalid 'input[1]': maximum input length is 8192 tokens."), InputTooLong, "openai_input_too_long"),
    (Refused(400, CONTEXT), InputTooLong, "openai_input_too_long"),
    (Refused(400, "Invalid 'input[1]'.", param="input"), InputRefused, "openai_refused"),
    (Refused(422, "no"), InputRefused, "openai_refused"),
    (Refused(400, "This model does not support specifying dimensions."), PartOver, "openai_dimensions"),
]


@pytest.mark.parametrize(("refused", "error", "code"), REFUSALS, ids=[f"{it[0].status} {it[2]}" for it in REFUSALS])
async def test_a_refusal_is_what_it_means(
    embedder: Embedder, embeddings: EmbeddingServer, refused: Refused, error: type[BackfillError], code: str
) -> None:
    embeddings.faults = [refused]
    with pytest.raises(BackfillError) as caught:
        await embedder.embed(["text"])
    assert (type(caught.value), caught.value.code) == (error, code)
    if refused.status == 401:
        assert "provided" not in caught.value.message, "OpenAI's words show parts of the key"
    else:
        assert refused.message in caught.value.message
    if isinstance(caught.value, PartOver):
        assert caught.value.action
    assert len(embeddings.requests) == 1, "nothing is tried again behind our back"


async def test_what_the_server_says_of_real_texts(embedder: Embedder) -> None:
    with pytest.raises(InputTooLong):
        await embedder.embed(["fine", "word " * 9_000])
    with pytest.raises(TooLarge, match="per request"):
        await embedder.embed(["word " * 8_000] * 40)
    with pytest.raises(TooLarge, match="array too long"):
        await embedder.embed(["x"] * 2_049)


def limited(**headers: str) -> Refused:
    return Refused(429, "slow down", headers={name.replace("_", "-"): value for name, value in headers.items()})


IN_A_MINUTE = "in a minute"


@pytest.mark.parametrize(
    ("refused", "seconds"),
    [
        (rate_limited(7), 7),
        (limited(retry_after="0.5"), 0.5),
        (limited(retry_after_ms="2500", retry_after="3"), 2.5),
        (limited(retry_after=IN_A_MINUTE), 60),
        (limited(retry_after="99999999"), LONGEST_WAIT.total_seconds()),
        (limited(retry_after="-5"), 0),
        (limited(retry_after="nan"), UNTOLD_WAIT.total_seconds()),
        (limited(), UNTOLD_WAIT.total_seconds()),
        (Refused(429, "Please try again in 1m3.5s. Visit"), 63.5),
        (Refused(429, "Please try again in 120ms."), 0.12),
    ],
)
async def test_a_rate_limit_says_when(
    embedder: Embedder, embeddings: EmbeddingServer, refused: Refused, seconds: float
) -> None:
    if refused.headers.get("retry-after") == IN_A_MINUTE:
        stamp = format_datetime(datetime.now(UTC) + timedelta(minutes=1), usegmt=True)
        refused = limited(retry_after=stamp)
    embeddings.faults = [refused]
    with pytest.raises(RetryLater) as caught:
        await embedder.embed(["text"])
    wait = (caught.value.at - datetime.now(UTC)).total_seconds()
    assert wait == pytest.approx(seconds, abs=5)


async def test_nobody_there() -> None:
    async with Embedder("sk-x", f"http://user:hunter2@{LOOPBACK}:1/v1", MODEL, 384) as embedder:
        with pytest.raises(RetryNow, match=rf"^openai_unreachable: http://{LOOPBACK}:1/v1 cannot be reached") as caught:
            await embedder.embed(["text"])
    assert "hunter2" not in str(caught.value)


ANSWERS = {
    "html": web.Response(text="<html>a proxy</html>", content_type="text/html"),
    "half": web.Response(text='{"data": [', content_type="application/json"),
    "nothing": web.json_response({"data": []}),
    "null": web.json_response(None),
    "too few": web.json_response({"data": [{"index": 0, "embedding": [0.5] * 384}]}),
    "no numbers": web.json_response({"data": [{"index": each, "embedding": [None] * 384} for each in (0, 1)]}),
    "infinite": web.Response(
        text='{"data": [%s]}' % ",".join('{"index": %d, "embedding": [1e999]}' % each for each in (0, 1)),  # noqa: UP031
        content_type="application/json",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_that_is_none_passes(name: str) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return ANSWERS[name]

    async with _served(answer) as url, Embedder("sk-x", url, MODEL, 384) as embedder:
        with pytest.raises(RetryNow) as caught:
            await embedder.embed(["one", "two"])
        assert caught.value.code == "openai_answer"


async def test_lists_of_numbers_are_taken_too_and_wrong_dimensions_are_not() -> None:
    """From servers that know neither base64 nor `dimensions`."""
    values = 384

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"data": [{"index": each, "embedding": [float(each)] * values} for each in (1, 0)]})

    async with _served(answer) as url, Embedder("sk-x", url, MODEL, 384) as embedder:
        assert [vector[0] for vector in await embedder.embed(["one", "two"])] == [0.0, 1.0]
        values = 768
        with pytest.raises(PartOver, match="768 values"):
            await embedder.embed(["one", "two"])


@asynccontextmanager
async def _served(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post("/v1/embeddings", answer)
    async with serving(application) as url:
        yield f"{url}/v1"
