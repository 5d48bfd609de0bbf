"""Reads the number that a node id contains. This is needed for nodes whose number does not fit into the 32 bits of
`databaseId`.

A node id of the present format is a prefix and the base64url of a msgpack array, `[0, repository, ..., database id]`. A
node id of the older format is the base64 of a text such as `010:Discussion5`. GitHub calls node ids opaque
(https://github.blog/changelog/2021-02-10-new-global-id-format-coming-to-graphql/), so a node id is decoded only if
GitHub gives the number in no other way.
"""

import base64
import binascii
import re

import msgpack

from github.nodes.actors import Node
from github.nodes.values import github_id

_OLDER = re.compile(rb"0\d+:[A-Za-z]+(\d+)")


def database_id(node: Node) -> int:
    """Returns the id that a node has in REST: its `fullDatabaseId`, or else its `databaseId`. If the answer has neither
    number, the id is read from the node id.

    Raises `ValueError` if the node id has an unknown format, or if the number is no id. In that case only this node is
    unreadable, and the other nodes of the page are not affected.
    """
    told = node.get("fullDatabaseId")
    told = node.get("databaseId") if told is None else told
    if told is not None:
        return github_id(told)
    number = number_in(node["id"])
    if number is None:
        raise ValueError(f"GitHub gives {node['id']} no number")
    return github_id(number)


def number_in(node_id: str) -> int | None:
    """Returns the number that a node id contains. Returns None if the format of the node id is unknown."""
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


def former_id(typename: str, node_id: str) -> str | None:
    """Returns the node id in the older format of a node that GitHub now names `node_id`. Returns None if the format of
    `node_id` is unknown, or already the older one.
    """
    number = number_in(node_id) if "_" in node_id else None
    return base64.b64encode(f"0{len(typename)}:{typename}{number}".encode()).decode() if number is not None else None


def _base64(text: str) -> bytes:
    """Returns the bytes that the text encodes. Returns no bytes if the text is not base64."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
