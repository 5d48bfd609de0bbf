"""Reads the keys of `TEMPORAL_PAYLOAD_KEYS`."""

import base64
import re

PLAIN = "plain"
KEY_BYTES = 32  # AES-256

_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def read_keys(setting: str) -> dict[str, bytes]:
    """Returns the keys by their ids, in the order of `setting`, which has the form `id:key,id:key`. The first key
    encrypts, and all keys decrypt.

    The first entry may be the word `plain` instead of a key. Then nothing is encrypted, and the result begins with the
    id `plain` and an empty key.

    Raises `ValueError` if the setting has another form. The error's message never contains a key.
    """
    keys: dict[str, bytes] = {}
    for entry in (part.strip() for part in setting.split(",")):
        key_id, separator, text = entry.partition(":")
        if entry == PLAIN and not keys:
            keys[PLAIN] = b""
            continue
        if not separator or not _ID.fullmatch(key_id) or key_id == PLAIN:
            raise ValueError("must be id:key, comma-separated, with ids of letters, digits, - _ and . (or plain first)")
        try:
            key = base64.b64decode(text, validate=True)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key of id {key_id} must be 32 bytes in base64 (openssl rand -base64 32)")
        if key_id in keys:
            raise ValueError(f"has two keys of id {key_id}")
        keys[key_id] = key
    if keys.keys() == {PLAIN}:
        raise ValueError("has no key: leave it empty")
    return keys
