"""The stand-in for OpenAI's embeddings, asked through the real `openai` package."""

import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
from openai import AsyncOpenAI

from sandbox.embeddings import EmbeddingServer, out_of_quota, rate_limited, server_error

ROOT = Path(__file__).parent.parent.parent
MODEL = "text-embedding-3-small"
QUESTION = "Why does the TLS handshake fail after a HelloRetryRequest?"
RELATED = "Handshake aborts: server rejects the second ClientHello following a hello retry"
UNRELATED = "Update the pasta recipe with more garlic and basil"


@pytest.fixture
async def client(embeddings: EmbeddingServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key=embeddings.token, base_url=embeddings.url, max_retries=0) as client:
        yield client


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)


@pytest.mark.parametrize("dimensions", [64, 256, 384, 1536])
async def test_related_texts_are_nearer(client: AsyncOpenAI, dimensions: int) -> None:
    answer = await client.embeddings.create(model=MODEL, input=[QUESTION, RELATED, UNRELATED], dimensions=dimensions)
    question, related, unrelated = (item.embedding for item in answer.data)
    assert len(question) == dimensions
    assert math.hypot(*question) == pytest.approx(1, abs=1e-5)
    assert cosine(question, related) > cosine(question, unrelated) + 0.1
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 30


async def test_a_vector_depends_on_its_text_alone(client: AsyncOpenAI) -> None:
    alone = await client.embeddings.create(model=MODEL, input=QUESTION, dimensions=384)
    among = await client.embeddings.create(
        model=MODEL, input=[UNRELATED * 50, QUESTION], dimensions=384, encoding_format="float"
    )
    assert alone.data[0].embedding == pytest.approx(among.data[1].embedding, abs=0)
    short = await client.embeddings.create(model=MODEL, input=QUESTION, dimensions=256)
    assert alone.data[0].embedding[:256] == short.data[0].embedding
    assert set(alone.data[0].embedding[256:]) == {0.0}
    default = await client.embeddings.create(model=MODEL, input=QUESTION)
    assert len(default.data[0].embedding) == 1536


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"input": []}, "input"),
        ({"input": [""]}, "input"),
        ({"input": [1, 2, 3]}, "input"),
        ({"input": ["x"] * 2049}, "array too long"),
        ({"input": ["fine", "word " * 9000]}, r"input\[1\].*maximum input length is 8192 tokens"),
        ({"input": ["word " * 8000] * 40}, "max 300000 tokens per request"),
        ({"input": "x", "dimensions": 4000}, "dimensions"),
        ({"input": "x", "encoding_format": "hex"}, "float"),
    ],
)
async def test_what_openai_refuses(client: AsyncOpenAI, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(openai.BadRequestError, match=message) as caught:
        await client.post("/embeddings", body={"model": MODEL, **parameters}, cast_to=object)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body.keys() == {"message", "type", "param", "code"}


async def test_a_model_it_does_not_know(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist") as caught:
        await client.embeddings.create(model="text-embedding-9", input="x")
    assert caught.value.code == "model_not_found"


async def test_a_key_is_needed(embeddings: EmbeddingServer) -> None:
    async with AsyncOpenAI(api_key="sk-wrong", base_url=embeddings.url, max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as caught:
            await stranger.embeddings.create(model=MODEL, input="x")
    assert caught.value.code == "invalid_api_key"
    assert "sk-wrong" not in str(caught.value)


async def test_faults_come_once_each(client: AsyncOpenAI, embeddings: EmbeddingServer) -> None:
    embeddings.faults = [rate_limited(1.5), out_of_quota(), server_error()]
    with pytest.raises(openai.RateLimitError) as limited:
        await client.embeddings.create(model=MODEL, input="x")
    assert limited.value.response.headers["retry-after"] == "1.5"
    with pytest.raises(openai.RateLimitError) as broke:
        await client.embeddings.create(model=MODEL, input="x")
    assert broke.value.code == "insufficient_quota"
    with pytest.raises(openai.InternalServerError):
        await client.embeddings.create(model=MODEL, input="x")
    await client.embeddings.create(model=MODEL, input="x")
    assert [request.status for request in embeddings.requests] == [429, 429, 500, 200]


async def test_one_poisoned_text_fails_its_request(client: AsyncOpenAI, embeddings: EmbeddingServer) -> None:
    embeddings.poison = "arsenic"
    with pytest.raises(openai.BadRequestError, match=r"input\[1\]"):
        await client.embeddings.create(model=MODEL, input=["x", "some arsenic"])
    await client.embeddings.create(model=MODEL, input=["x"])
    assert embeddings.requests[-1].texts == ("x",)


def test_the_model_is_in_the_wheel(tmp_path: Path) -> None:
    """Without a network and with an empty home."""
    program = """
import socket
def refuse(*_): raise AssertionError("asked for the network")
socket.socket.connect = socket.getaddrinfo = refuse
from sandbox.embeddings import Model
model = Model()
print(len(model.vector(model.tokens("hello"), 384)))
"""
    environment = os.environ | {"HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.stderr) == ("384\n", "")
    assert not list(tmp_path.iterdir())
