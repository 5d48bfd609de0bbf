"""Reads the number inside a node id, for nodes whose `databaseId` is too small to hold it.

A node id of the present format is a prefix and base64url of a msgpack array, `[0, repository, ..., database id]`.
GitHub calls it opaque (https://github.blog/changelog/2021-02-10-new-global-id-format-coming-to-graphql/), so it is
decoded only where GitHub shows the number in no other way.
"""

import base64
import binascii

import msgpack

from errors import PartOver
from github.nodes.actors import Node


def database_id(node: Node) -> int:
    """The id that REST uses for a node: `fullDatabaseId` if the type has it, `databaseId` if it fits 32 bits, else
    decoded.

    Raises `PartOver` (unreadable_id) for a node id of an unknown format.
    """
    told = node.get("fullDatabaseId") or node.get("databaseId")
    if told is not None:
        return int(told)
    packed = node["id"].partition("_")[2]
    try:
        number = msgpack.unpackb(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))[-1]
    except (binascii.Error, ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException) as error:
        raise PartOver("unreadable_id", f"GitHub gives {node['id']} no number", "this is a bug of ours") from error
    if not isinstance(number, int):
        raise PartOver("unreadable_id", f"GitHub gives {node['id']} no number", "this is a bug of ours")
    return number
