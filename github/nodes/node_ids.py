"""Reads the number in a node id. This is needed for nodes whose `databaseId` is too small to hold the number.

A node id of the present format is a prefix and the base64url of a msgpack array, `[0, repository, ..., database
id]`; one of the older format is the base64 of `010:Discussion5`. GitHub calls node ids opaque
(https://github.blog/changelog/2021-02-10-new-global-id-format-coming-to-graphql/), so one is decoded only if GitHub
shows the number in no other way.
"""

import base64
import binascii
import re

import msgpack

from github.nodes.actors import Node
from github.nodes.values import integer

_OLDER = re.compile(rb"0\d+:[A-Za-z]+(\d+)")


def database_id(node: Node) -> int:
    """Returns the id of a node in REST: its `fullDatabaseId`, if its type has that field; its `databaseId`, if that
    fits into 32 bits; else the number in its node id.

    Raises `ValueError` for a node id of an unknown format: the node is unreadable, and no other one of its page.
    """
    told = node.get("fullDatabaseId")
    told = node.get("databaseId") if told is None else told
    if told is not None:
        return integer(told)
    number = number_in(node["id"])
    if number is None:
        raise ValueError(f"GitHub gives {node['id']} no number")
    return number


def number_in(node_id: str) -> int | None:
    """Returns the number in a node id; None if its format is unknown."""
    prefix, _, packed = node_id.partition("_")
    content = _base64(packed or prefix)
    if not packed:
        older = _OLDER.fullmatch(content)
        return int(older[1]) if older else None
    try:
        number = msgpack.unpackb(content)[-1]
    except (ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException):
        return None
    return number if isinstance(number, int) else None


def _base64(text: str) -> bytes:
    """Returns what the text encodes; nothing if it is no base64."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
