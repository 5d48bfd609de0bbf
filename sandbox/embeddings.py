"""A server with OpenAI's embeddings API and a small real model: wordllama, whose vectors have 256 values.

A vector depends on the text alone. If a request wants more than 256 values, the server appends zeros, which change no
cosine. If a request wants fewer values, the server cuts the vector and normalises it, as OpenAI does. The server
refuses what OpenAI refuses, with the same messages. It counts tokens by the rules of its own model, not by OpenAI's.

`python -m sandbox.embeddings --port 0 --port-file FILE --token TOKEN` runs it as a program.
"""

import argparse
import asyncio
import base64
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy
import numpy.typing
from aiohttp import web

from sandbox.ports import LOOPBACK

MOST_INPUTS = 2048
MOST_INPUT_TOKENS = 8192
MOST_REQUEST_TOKENS = 300_000
MODELS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}

Vector = numpy.typing.NDArray[numpy.float32]


class Model:
    """The model wordllama. It needs no network and no cache in the user's home, because its package contains its
    files.
    """

    def __init__(self) -> None:
        loaded = _load()
        self._vectors: Vector = loaded.embedding
        self._tokenizer = loaded.tokenizer

    def tokens(self, text: str) -> list[int]:
        """Returns the tokens of a text. Raises `ValueError` if the text is not valid Unicode, because it has a lone
        surrogate.
        """
        try:
            ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        except TypeError:
            raise ValueError("not valid Unicode") from None
        return ids

    def vector(self, tokens: Sequence[int], dimensions: int) -> Vector:
        """Returns the vector of a text with these tokens. The vector has `dimensions` values and is normalised to
        length 1. `tokens` must not be empty.
        """
        known = numpy.minimum(numpy.asarray(tokens, dtype=numpy.int64), len(self._vectors) - 1)
        mean = self._vectors[known].mean(axis=0)[:dimensions]
        vector = numpy.zeros(dimensions, dtype=numpy.float32)
        vector[: len(mean)] = mean / max(float(numpy.linalg.norm(mean)), 1e-12)
        return vector


@cache
def _load() -> Any:
    """Returns the model. Each process loads it only once, because loading takes a third of a second and 31 MB."""
    root, silent = logging.getLogger(), logging.NullHandler()
    # Imported, it configures logging for the whole process, unless somebody has.
    root.addHandler(silent)
    import wordllama

    root.removeHandler(silent)
    loaded = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    loaded.tokenizer.no_padding()
    return loaded


@dataclass(eq=False)
class Refused(Exception):
    """An error answer of the server, in OpenAI's format. It is raised to refuse a request."""

    status: int
    message: str
    kind: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return web.json_response({"error": error}, status=self.status, headers=self.headers)


def rate_limited(seconds: float) -> Refused:
    """Returns OpenAI's 429 for a rate limit. After `seconds` the limit is over."""
    message = f"Rate limit reached on tokens per min (TPM). Please try again in {seconds:g}s."
    return Refused(429, message, "tokens", "rate_limit_exceeded", headers={"retry-after": f"{seconds:g}"})


def out_of_quota() -> Refused:
    """Returns OpenAI's 429 for a used-up quota. Waiting does not help against it."""
    return Refused(429, "You exceeded your current quota.", "insufficient_quota", "insufficient_quota")


def server_error() -> Refused:
    return Refused(500, "The server had an error while processing your request.", "server_error")


@dataclass(frozen=True)
class Answered:
    """One answered request, as `EmbeddingServer.requests` keeps it."""

    status: int
    texts: tuple[str, ...]
    tokens: int
    started: float
    """When the request arrived, by `time.monotonic()`."""


class EmbeddingServer:
    """A server that answers while its context is open. `url` is the value for `OPENAI_BASE_URL`.

    `faults` are errors that a test adds. Each valid request takes the first error from the list and gets it as its
    answer. If `poison` is set, a request is refused as a whole when one of its texts contains `poison`. If `meanwhile`
    is set, the server awaits it before it computes an answer, with the texts of the request.
    """

    def __init__(self, token: str = "sk-sandbox", port: int = 0) -> None:
        self.token = token
        self.faults: list[Refused] = []
        self.poison: str | None = None
        self.meanwhile: Callable[[Sequence[str]], Awaitable[None]] | None = None
        self.requests: list[Answered] = []
        self._model = Model()
        self._port = port
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_post("/v1/embeddings", self._embeddings)
        application.router.add_get("/healthz", self._healthz)
        self._runner = web.AppRunner(application, access_log=None)

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}/v1"

    async def __aenter__(self) -> "EmbeddingServer":
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _embeddings(self, request: web.Request) -> web.Response:
        started = time.monotonic()
        texts: tuple[str, ...] = ()
        tokens: list[list[int]] = []
        try:
            self._authorize(request)
            body = await _body(request)
            texts = _texts(body.get("input"))
            dimensions = _dimensions(body)
            if self.faults:
                raise self.faults.pop(0)
            if self.meanwhile is not None:
                await self.meanwhile(texts)
            tokens = await asyncio.to_thread(self._tokens, texts)
            encode = _encoding(body.get("encoding_format", "float"))
            data = await asyncio.to_thread(
                lambda: [encode(self._model.vector(of_text, dimensions)) for of_text in tokens]
            )
            response = web.json_response(
                {
                    "object": "list",
                    "model": body["model"],
                    "data": [
                        {"object": "embedding", "index": index, "embedding": value} for index, value in enumerate(data)
                    ],
                    "usage": {"prompt_tokens": sum(map(len, tokens)), "total_tokens": sum(map(len, tokens))},
                }
            )
        except Refused as refused:
            response = refused.response()
        self.requests.append(Answered(response.status, texts, sum(map(len, tokens)), started))
        return response

    def _authorize(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "You didn't provide an API key.")
        if token != self.token:
            raise Refused(401, "Incorrect API key provided.", code="invalid_api_key")

    def _tokens(self, texts: tuple[str, ...]) -> list[list[int]]:
        tokens = []
        for index, text in enumerate(texts):
            if self.poison is not None and self.poison in text:
                raise Refused(400, f"Invalid 'input[{index}]'.", param="input")
            try:
                tokens.append(self._model.tokens(text))
            except ValueError as error:
                raise Refused(400, f"Invalid 'input[{index}]': {error}.", param="input") from None
            if len(tokens[-1]) > MOST_INPUT_TOKENS:
                raise Refused(
                    400, f"Invalid 'input[{index}]': maximum input length is {MOST_INPUT_TOKENS} tokens.", param="input"
                )
        total = sum(map(len, tokens))
        if total > MOST_REQUEST_TOKENS:
            kind = "max_tokens_per_request"
            raise Refused(400, f"Requested {total} tokens, max {MOST_REQUEST_TOKENS} tokens per request", kind, kind)
        return tokens


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise Refused(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise Refused(400, "We could not parse the JSON body of your request.")
    return body


def _texts(value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts) or not texts:
        raise Refused(400, "'$.input' is invalid: text or a list of texts, none of them empty.", param="input")
    if len(texts) > MOST_INPUTS:
        message = f"Invalid 'input': array too long. Expected at most {MOST_INPUTS} elements, but got {len(texts)}."
        raise Refused(400, message, code="array_above_max_length", param="input")
    return tuple(texts)


def _dimensions(body: dict[str, Any]) -> int:
    model = body.get("model")
    if model not in MODELS:
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise Refused(404, message, code="model_not_found")
    dimensions = body.get("dimensions", MODELS[model])
    if type(dimensions) is not int or not 1 <= dimensions <= MODELS[model]:
        message = f"Invalid value for 'dimensions' = {dimensions}. Must be from 1 to {MODELS[model]}."
        raise Refused(400, message, param="dimensions")
    return dimensions


def _encoding(name: Any) -> Any:
    """Returns the function that writes a vector in the encoding `name`. Raises `Refused` if OpenAI's API does not have
    this encoding.
    """
    if name == "float":
        return lambda vector: [float(value) for value in vector]
    if name == "base64":
        return lambda vector: base64.b64encode(vector.astype("<f4").tobytes()).decode()
    raise Refused(400, f"Invalid value: {name!r}. Supported: 'float' and 'base64'.", param="encoding_format")


async def _serve(port: int, port_file: Path | None, token: str) -> None:
    async with EmbeddingServer(token, port) as server:
        if port_file:
            await asyncio.to_thread(port_file.write_text, str(server.port))
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.embeddings")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path)
    parser.add_argument("--token", default="sk-sandbox")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.port, arguments.port_file, arguments.token))


if __name__ == "__main__":
    main()
