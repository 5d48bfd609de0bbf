"""Verifies bearer tokens. A token belongs to a user of the host application, or to the service.

Supabase signs users' tokens with the project's secret (HS256). A project that moved to asymmetric keys signs with a
private key instead. Supabase lists its public keys at `{SUPABASE_URL}/auth/v1/.well-known/jwks.json`
(https://supabase.com/docs/guides/auth/signing-keys). A token is verified either with the secret or with a public key.
The token's algorithm decides between the two, and a token is never tried with both.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from uuid import UUID

import aiohttp
import jwt
import orjson
import structlog

from errors import Unreachable

AUDIENCE = "authenticated"
"""The audience of every user's token. Keys for anonymous access and for services have another, or none."""
ASYMMETRIC = ("ES256", "RS256", "EdDSA")
"""Supabase's signing algorithms. Algorithms with a shared secret must never be among them."""
FRESH_SECONDS = 600.0
"""Listed keys are cached for this long; a revoked key is refused afterwards."""
REFRESH_SECONDS = 30.0
"""Shortest interval between two listings of keys, whatever key ids strangers invent."""
STALE_SECONDS = 3600.0
"""While Supabase does not answer, listed keys are used for this long."""
ANSWER_SECONDS = 5.0
LARGEST_LIST = 256 * 1024

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Verified:
    """The result for a valid token: the user, and the moment at which the token expires."""

    user_id: UUID
    expires_at: datetime


@dataclass(frozen=True)
class Rejected:
    """The result for a token that was rejected. `reason` is written to the log and not shown to the caller."""

    reason: str


class ServiceToken:
    """The service's token, `BACKFILL_API_TOKEN`. Without a token, no caller counts as the service."""

    def __init__(self, token: str | None) -> None:
        self._digest = _digest(token) if token else None

    def matches(self, token: str) -> bool:
        """Returns whether `token` is the service's token. The comparison takes constant time."""
        return self._digest is not None and hmac.compare_digest(_digest(token), self._digest)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


SUPABASE_KEYS = "/auth/v1/.well-known/jwks.json"


class SigningKeys:
    """The public keys that a server lists, by key id. `url` is the server's address, and `path` is where the server has
    the list. By default `path` is that of a Supabase project.
    """

    def __init__(self, url: str, *, path: str = SUPABASE_KEYS, clock: Callable[[], float] = monotonic) -> None:
        self.url = f"{url}{path}"
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._listed_at: float | None = None
        self._asked_at: float | None = None
        self._unanswered: str | None = None
        self._asking = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Returns the key with this id, or None if the server does not list such a key.

        Raises `Unreachable` if no usable key with this id is known and the latest attempt to read the list failed.
        """
        if not self._is_fresh or key_id not in self._keys:
            async with self._asking:
                if self._may_ask and (not self._is_fresh or key_id not in self._keys):
                    await self._list()
        age = None if self._listed_at is None else self._clock() - self._listed_at
        usable = age is not None and age <= STALE_SECONDS
        if usable and key_id in self._keys:
            return self._keys[key_id]
        if self._unanswered is not None:
            raise Unreachable("signing_keys", f"{self.url} does not list signing keys: {self._unanswered}")
        return None

    @property
    def _is_fresh(self) -> bool:
        return self._listed_at is not None and self._clock() - self._listed_at <= FRESH_SECONDS

    @property
    def _may_ask(self) -> bool:
        return self._asked_at is None or self._clock() - self._asked_at >= REFRESH_SECONDS

    async def _list(self) -> None:
        self._asked_at = self._clock()
        try:
            listed = await self._fetch()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self._unanswered = f"{type(error).__name__}: {error}"
            log.warning("signing keys cannot be listed", url=self.url, error=self._unanswered)
            return
        self._keys = listed
        self._listed_at, self._unanswered = self._clock(), None

    async def _fetch(self) -> dict[str, jwt.PyJWK]:
        """Requests the list and returns its keys. Raises `ValueError` if the answer is not a list of keys."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(self.url, allow_redirects=False) as response,
        ):
            body = b""
            async for chunk in response.content.iter_chunked(16_384):
                body += chunk
                if len(body) > LARGEST_LIST:
                    raise ValueError("the answer is too large")
        if response.status != 200:
            raise ValueError(f"it answers {response.status}")
        document = orjson.loads(body)
        entries = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise ValueError("the answer is no list of keys")
        return {key.key_id: key for entry in entries if (key := _public_key(entry)) is not None and key.key_id}


def _public_key(entry: Any) -> jwt.PyJWK | None:
    """Returns the public key in an entry of a server's list of keys. Returns None if the entry holds something else,
    such as a shared secret.
    """
    if not isinstance(entry, dict) or entry.get("kty") not in ("EC", "RSA", "OKP") or entry.get("use") == "enc":
        return None
    try:
        key = jwt.PyJWK(entry)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        log.warning("a signing key cannot be read", key=str(entry.get("kid"))[:100], error=type(error).__name__)
        return None
    return key if key.algorithm_name in ASYMMETRIC else None


class UserTokens:
    """Verifies users' tokens with the project's secret or its public keys. Both can be given while a project migrates
    from the secret to keys.
    """

    def __init__(self, secret: str | None, keys: SigningKeys | None) -> None:
        self._secret = secret
        self._keys = keys

    async def verify(self, token: str) -> Verified | Rejected:
        """Returns the token's user, or the reason why the token is rejected. Raises `Unreachable` if the public keys
        cannot be looked up.
        """
        if not _SHAPE.fullmatch(token):
            return Rejected("it is no JSON web token")
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            key: str | jwt.PyJWK
            allowed: tuple[str, ...]
            if algorithm == "HS256":
                if self._secret is None:
                    return Rejected("it is signed with a secret, and SUPABASE_JWT_SECRET is not set")
                key, allowed = self._secret, ("HS256",)
            elif algorithm in ASYMMETRIC:
                if self._keys is None:
                    return Rejected("it is signed with a private key, and SUPABASE_URL is not set")
                found = await self._keys.find(key_id) if isinstance(key_id, str) else None
                if found is None:
                    return Rejected("the project lists no such key")
                key, allowed = found, ASYMMETRIC
            else:
                return Rejected("its algorithm is not accepted")
            # When it was issued decides nothing, and a clock that is a second ahead must not refuse everybody.
            claims = jwt.decode(
                token,
                key,
                algorithms=allowed,
                audience=AUDIENCE,
                options={"require": ["exp", "aud", "sub"], "verify_iat": False},
            )
            return Verified(UUID(claims["sub"]), datetime.fromtimestamp(int(claims["exp"]), UTC))
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError) as error:
            # OSError: a time of expiry beyond what the system's clock can name.
            return Rejected(type(error).__name__)
