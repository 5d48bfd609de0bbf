"""Who may speak for Polar: Standard Webhooks signatures, checked on the raw body before anything is read from it.

Written out rather than taken from `standardwebhooks`, which the tests sign with: its `verify` raises `ValueError` on a
signature it cannot parse, also when a good one follows, and cannot look at a body that is not UTF-8.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from errors import BadInput

TOLERANCE = timedelta(minutes=5)

_PREFIX = "whsec_"
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class Signatures:
    """Checks signatures made with one secret: raw as Polar's older ones, or base64 behind `whsec_`."""

    def __init__(self, secret: str) -> None:
        self._key = _key(secret)

    def refusal(self, headers: Mapping[str, str], body: bytes, now: datetime) -> str | None:
        """Why this request is not Polar's, for the log; None if it is. `headers` find their names in any case."""
        identifier = headers.get("webhook-id", "")
        timestamp = headers.get("webhook-timestamp", "")
        signatures = headers.get("webhook-signature", "").split()
        if not (identifier and timestamp and signatures):
            return "webhook-id, webhook-timestamp or webhook-signature is missing"
        if not _ID.fullmatch(identifier) or not _TIMESTAMP.fullmatch(timestamp):
            return "webhook-id or webhook-timestamp is malformed"
        digest = hmac.digest(self._key, f"{identifier}.{timestamp}.".encode() + body, "sha256")
        # Compared as bytes: `compare_digest` refuses text outside ASCII, which a header may hold.
        expected = b"v1," + base64.b64encode(digest)
        if not any(hmac.compare_digest(expected, each.encode(errors="replace")) for each in signatures):
            return "no signature matches"
        # After the signature, so that a stranger learns nothing about our clock.
        if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
            return "webhook-timestamp is more than five minutes from now"
        return None


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    encoded = secret.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise BadInput("POLAR_WEBHOOK_SECRET", "what follows whsec_ must be base64")
    return key
