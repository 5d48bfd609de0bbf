"""A client for OpenAI's embeddings API, or for a compatible server. The client raises only errors of the taxonomy."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import chain
from types import TracebackType
from urllib.parse import urlsplit

import openai

from embedding.refusals import InputRefused, InputTooLong
from errors import BackfillError, PartOver, RetryLater, RetryNow, TooLarge

TIMEOUT_SECONDS = 60.0
UNTOLD_WAIT = timedelta(seconds=20)
"""Wait after a rate limit if OpenAI does not say how long. Its limits are by the minute and refill continuously."""
LONGEST_WAIT = timedelta(hours=1)
LONGEST_MESSAGE = 500

_TOO_LONG = re.compile(
    r"maximum (?:input|context) length|maximum sequence length|input is too long|input length exceeds", re.IGNORECASE
)
_TOO_LARGE = re.compile(r"tokens[_ ]per[_ ]request|array too long|request too large", re.IGNORECASE)
_DURATION = re.compile(r"([0-9.]+)(ms|s|m|h)")
_TRY_AGAIN = re.compile(r"try again in ((?:[0-9.]+(?:ms|s|m|h))+)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Embedder:
    """Turns texts into vectors with the model `model`. Each vector has `dimensions` values. Use as an async context
    manager.
    """

    def __init__(self, api_key: str, base_url: str, model: str, dimensions: int) -> None:
        self.model = model
        self.dimensions = dimensions
        parts = urlsplit(base_url)
        self._address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        # Its own retries would neither be counted nor seen.
        self._client = openai.AsyncOpenAI(api_key=api_key, base_url=base_url, max_retries=0, timeout=TIMEOUT_SECONDS)

    async def __aenter__(self) -> "Embedder":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Returns one vector for each text, in the same order, by one request. No text may be empty.

        Raises `InputTooLong` if a text is too long, and `TooLarge` if the whole request is too large. Raises
        `InputRefused` if the server refuses the request for an unknown reason. Raises `RetryLater` for a rate limit and
        `RetryNow` for passing errors. Raises `PartOver` if a person has to act, for example because the key is wrong or
        the credit is used up.
        """
        try:
            answer = await self._client.embeddings.create(
                model=self.model, input=list(texts), dimensions=self.dimensions
            )
            vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
            whole = len(vectors) == len(texts) and all(map(math.isfinite, chain.from_iterable(vectors)))
        except openai.APIStatusError as error:
            raise self._refusal(error) from error
        except openai.APITimeoutError as error:
            raise RetryNow("openai_timeout", f"{self._address} did not answer within {TIMEOUT_SECONDS:g} s") from error
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise RetryNow("openai_unreachable", f"{self._address} cannot be reached: {cause}") from error
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, KeyError) as error:
            # What its package makes of an answer that is none: HTML of a proxy, half a body.
            raise RetryNow("openai_answer", f"{self._address} did not answer with embeddings: {error}") from error
        if not whole:
            raise RetryNow("openai_answer", f"{len(vectors)} vectors came for {len(texts)} texts, or not of numbers")
        if wrong := next((len(each) for each in vectors if len(each) != self.dimensions), None):
            raise self._no_such_dimensions(f"its vectors have {wrong} values")
        return vectors

    def _refusal(self, error: openai.APIStatusError) -> BackfillError:
        status, message = error.status_code, _message(error)
        if status == 429:
            if "insufficient_quota" in (error.code, error.type):
                return PartOver("openai_quota", message, "add credit to the account of OPENAI_API_KEY, then retry")
            if _TOO_LARGE.search(message):
                # More at once than the account may have in a minute: waiting would not help.
                return TooLarge("openai_too_large", message)
            return RetryLater(
                "openai_rate_limit", message, _not_before(error.response.headers, message), waits_for="openai_limit"
            )
        if status == 401:
            # OpenAI's own words show parts of the key.
            message = f"{self._address} does not accept OPENAI_API_KEY"
        if status in (401, 403):
            return PartOver(
                "openai_unauthorized", message, "set an OPENAI_API_KEY that may use EMBEDDING_MODEL, then retry"
            )
        if status == 404:
            return PartOver("openai_not_found", message, "check EMBEDDING_MODEL and OPENAI_BASE_URL, then retry")
        if status == 413 or _TOO_LARGE.search(message) or error.code == "array_above_max_length":
            return TooLarge("openai_too_large", message)
        if status in (400, 422):
            if error.param == "dimensions" or re.search(r"\bdimensions\b", message):
                return self._no_such_dimensions(message)
            if _TOO_LONG.search(message):
                return InputTooLong("openai_input_too_long", message)
            return InputRefused("openai_refused", message, "read why, mend EMBEDDING_MODEL or the thread, then retry")
        if status >= 500 or status in (408, 409):
            return RetryNow("openai_unavailable", f"HTTP {status}: {message}")
        return PartOver("openai_refused", f"HTTP {status}: {message}", "check OPENAI_BASE_URL, then retry")

    def _no_such_dimensions(self, why: str) -> PartOver:
        return PartOver(
            "openai_dimensions",
            f"{self.model} gives no vectors of {self.dimensions} values: {why}",
            "set an EMBEDDING_MODEL that gives EMBEDDING_DIMENSIONS values, then retry",
        )


def _message(error: openai.APIStatusError) -> str:
    """Returns the message of OpenAI's error on one line, cut to `LONGEST_MESSAGE` characters. If the answer has no such
    message, returns the text that the package `openai` gives to the error.
    """
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(message or error.message or f"HTTP {error.status_code}").split())[:LONGEST_MESSAGE]


def _not_before(headers: Mapping[str, str], message: str) -> datetime:
    now = datetime.now(UTC)
    seconds = _seconds(headers.get("retry-after-ms", ""), 0.001) or _seconds(headers.get("retry-after", ""), 1)
    if seconds is None and (stamp := headers.get("retry-after")):
        try:
            seconds = (parsedate_to_datetime(stamp) - now).total_seconds()
        except (ValueError, TypeError):
            seconds = None
    if seconds is None and (told := _TRY_AGAIN.search(message)):
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(told[1]))
    wait = UNTOLD_WAIT if seconds is None else timedelta(seconds=max(seconds, 0))
    return now + min(wait, LONGEST_WAIT)


def _seconds(text: str, unit: float) -> float | None:
    try:
        value = float(text) * unit
    except ValueError:
        return None
    return value if math.isfinite(value) else None
