"""Verifies that a delivery comes from Polar. Polar signs as Standard Webhooks prescribes. The signature is checked on
the raw body, before the body is parsed.

Polar makes the key from the secret in two ways (polar#14117, #14400). For the following secrets, the key is the whole
text of the secret, including its prefix:

- secrets that the merchant chose
- secrets that begin with `polar_whs_`
- secrets that begin with `whsec_` and were made between 2026-06-29 and 2026-09-08

For newer generated secrets, the key is the part after `whsec_`, decoded from base64. A secret does not show how its key
is made, so both keys are tried.

The package `standardwebhooks`, with which the tests sign, does not suffice. Its `verify` takes one key, only UTF-8
bodies, and only the real clock. An unreadable entry in the header makes it raise `ValueError`, even beside a valid
entry. It does not say which header was missing, or whether a timestamp was too old or too new.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from errors import BadInput

TOLERANCE = timedelta(minutes=5)

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_PREFIXES = ("whsec_", "polar_whs_")
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class Signatures:
    """Verifies signatures with one or several secrets. `setting` is the text of `POLAR_WEBHOOK_SECRET`, in which commas
    separate the secrets.

    Raises `BadInput` if `setting` holds no secret.
    """

    def __init__(self, setting: str) -> None:
        self.secrets = tuple(dict.fromkeys(part.strip() for part in setting.split(",") if part.strip()))
        if not self.secrets:
            raise BadInput("POLAR_WEBHOOK_SECRET", "holds no secret")
        # A merchant's own text may hold commas or end in a space: the setting as it stands is tried as well.
        self._keys = tuple(dict.fromkeys(key for text in (*self.secrets, setting) for key in _keys(text)))

    def refusal(self, headers: Mapping[str, str], body: bytes, now: datetime) -> str | None:
        """Returns None if the request is from Polar. Otherwise returns the reason as text for the log, without secrets
        or signatures. The mapping `headers` must ignore upper and lower case.

        The age of the request is checked only if a signature is valid.
        """
        identifier, timestamp, signature = (headers.get(name, "") for name in _HEADERS)
        if missing := [name for name in _HEADERS if not headers.get(name, "").strip()]:
            return f"missing: {', '.join(missing)}"
        if not _ID.fullmatch(identifier):
            return "webhook-id is malformed"
        if not _TIMESTAMP.fullmatch(timestamp):
            return "webhook-timestamp is malformed: it must be seconds since 1970"
        entries = signature.split()
        given = list(_v1(entries))
        if not given:
            return f"webhook-signature has no v1 signature among its {len(entries)}"
        signed = f"{identifier}.{timestamp}.".encode() + body
        expected = [hmac.digest(key, signed, "sha256") for key in self._keys]
        if not any(hmac.compare_digest(one, other) for one in expected for other in given):
            secrets = "the secret" if len(self.secrets) == 1 else f"any of {len(self.secrets)} secrets"
            return f"no signature matches: {len(given)} tried with {secrets}"
        ahead = int(timestamp) - now.timestamp()
        if abs(ahead) > TOLERANCE.total_seconds():
            direction = "ahead of" if ahead > 0 else "behind"
            return f"webhook-timestamp is {abs(ahead):.0f} s {direction} this server's clock; 300 s are tolerated"
        return None


def _keys(secret: str) -> Iterator[bytes]:
    """Yields the keys that Polar may have made from a secret, one for each way of making keys."""
    yield secret.encode(errors="surrogateescape")
    for prefix in _PREFIXES:
        # An empty key would be anybody's.
        if secret.startswith(prefix) and (key := _decoded(secret.removeprefix(prefix))):
            yield key


def _v1(entries: list[str]) -> Iterator[bytes]:
    """Yields the symmetric signatures (`v1`) in a header, as bytes. Other entries, such as asymmetric signatures
    (`v1a`), are skipped.
    """
    for entry in entries:
        version, comma, encoded = entry.partition(",")
        if version == "v1" and comma and (digest := _decoded(encoded)):
            yield digest


def _decoded(text: str) -> bytes | None:
    """Returns the bytes of base64 `text`, with or without padding. Returns None if `text` is not base64."""
    text = text.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
