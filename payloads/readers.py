"""Decides for which callers the codec server decrypts payloads: callers with the codec server's own token, and listed
people with the token that they have in Temporal's Web UI.
"""

from collections.abc import Collection

import jwt
import structlog

from api.tokens import ASYMMETRIC, ServiceToken, SigningKeys

LONGEST_TOKEN = 16_384

log = structlog.get_logger(__name__)


class Readers:
    """Authenticates callers. `token` is the codec server's own token. `names` are the subjects or verified e-mail
    addresses of people who may read payloads.

    These people send tokens from the identity provider of Temporal's Web UI. Such tokens are issued for `audience` and
    signed with one of the provider's `keys`.
    """

    def __init__(
        self,
        token: str | None,
        *,
        keys: SigningKeys | None = None,
        audience: str | None = None,
        names: Collection[str] = (),
    ) -> None:
        self._token = ServiceToken(token)
        self._keys = keys
        self._audience = audience
        self._names = frozenset(names)

    async def authenticate(self, bearer: str) -> str | None:
        """Returns the name of the caller with the token `bearer`. Returns None if the caller may not read payloads.
        Raises `Unreachable` if the identity provider's keys cannot be looked up.
        """
        if not bearer or len(bearer) > LONGEST_TOKEN:
            return None
        if self._token.matches(bearer):
            return "CODEC_SERVER_TOKEN"
        if self._keys is None or self._audience is None:
            return None
        try:
            key_id = jwt.get_unverified_header(bearer).get("kid")
            key = await self._keys.find(key_id) if isinstance(key_id, str) else None
            if key is None:
                return None
            # A listed key verifies no algorithm with a shared secret, whatever the token's header says.
            claims = jwt.decode(
                bearer,
                key,
                algorithms=ASYMMETRIC,
                audience=self._audience,
                options={"require": ["exp", "aud", "sub"], "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            log.warning("token of a codec request refused", reason=type(error).__name__)
            return None
        return self._reader(claims)

    def _reader(self, claims: dict[str, object]) -> str | None:
        for name in (claims["sub"], claims["email"] if claims.get("email_verified") is True else None):
            if name in self._names:
                return str(name)
        return None
