"""Reads the number in a node id. This is needed for nodes whose `databaseId` is too small to hold the number.

A node id of the present format is a prefix and the base64url of a msgpack array, `[0, repository, ..., database
id]`. GitHub calls node ids opaque
(https://github.blog/changelog/2021-02-10-new-global-id-format-coming-to-graphql/), so one is decoded only if GitHub
shows the number in no other way.
"""

import base64
import binascii

import msgpack

from errors import PartOver
from github.nodes.actors import Node
from github.nodes.values import integer


def database_id(node: Node) -> int:
    """Returns the id of a node in REST: its `fullDatabaseId`, if its type has that field; its `databaseId`, if that
    fits into 32 bits; else the number in its node id.

    Raises `PartOver` (unreadable_id) for a node id of an unknown format.
    """
    told = node.get("fullDatabaseId")
    told = node.get("databaseId") if told is None else told
    if told is not None:
        return integer(told)
    packed = node["id"].partition("_")[2]
    try:
        number = msgpack.unpackb(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))[-1]
    except (binascii.Error, ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException) as error:
        raise PartOver("unreadable_id", f"GitHub gives {node['id']} no number", "this is a bug of ours") from error
    if not isinstance(number, int):
        raise PartOver("unreadable_id", f"GitHub gives {node['id']} no number", "this is a bug of ours")
    return number
