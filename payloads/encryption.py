"""Encrypts the payloads that Temporal stores for our workflows: arguments, results, heartbeats, summaries, errors.

An encrypted payload contains the whole original payload with its metadata, encrypted by AES-256-GCM: 12 bytes of nonce,
the ciphertext, 16 bytes of tag. The metadata of the encrypted payload are `encoding` and the id of the key. Both have
the names that Temporal's samples use. The tag protects the metadata and the ciphertext from changes.
"""

import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from errors import BadInput

ENCODING = b"binary/encrypted"
KEY_ID = "encryption-key-id"
SETTING = "TEMPORAL_PAYLOAD_KEYS"

_NONCE_BYTES = 12
_TAG_BYTES = 16


class PayloadEncryption(PayloadCodec):
    """Encrypts with the key `encrypts_with`, and decrypts with any of `keys`. Decrypting a payload that is not
    encrypted returns the payload unchanged.

    If `encrypts_with` is None, nothing is encrypted, but encrypted payloads are still decrypted. Raises `BadInput` with
    the id of the key if a payload cannot be decrypted.
    """

    def __init__(self, keys: Mapping[str, bytes], encrypts_with: str | None) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._encrypts_with = encrypts_with

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if self._encrypts_with is None:
            return list(payloads)
        return [self._encrypt(each, self._encrypts_with) for each in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._decrypt(each) for each in payloads]

    def _encrypt(self, payload: Payload, key_id: str) -> Payload:
        if payload.metadata.get("encoding") == ENCODING:
            return payload
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[key_id].encrypt(nonce, payload.SerializeToString(), _bound(key_id))
        return Payload(metadata={"encoding": ENCODING, KEY_ID: key_id.encode()}, data=nonce + sealed)

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        # Whoever wrote the payload chose this text.
        key_id = payload.metadata.get(KEY_ID, b"").decode(errors="replace")[:64]
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise BadInput(SETTING, f"lacks key {key_id!r}, which a payload is encrypted with")
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            if len(sealed) < _TAG_BYTES:
                raise InvalidTag
            return Payload.FromString(cipher.decrypt(nonce, sealed, _bound(key_id)))
        except (InvalidTag, DecodeError):
            raise BadInput(
                SETTING,
                f"does not decrypt a payload of key {key_id!r}: it is damaged, or was encrypted with another key",
            ) from None


def _bound(key_id: str) -> bytes:
    """Returns the metadata of an encrypted payload, the encoding and the id of the key, as bytes. The payload's tag
    covers these bytes.
    """
    return ENCODING + b" " + key_id.encode()
