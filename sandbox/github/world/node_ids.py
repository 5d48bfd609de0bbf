"""The two formats of GitHub's node ids. Clients must not interpret node ids. `node` and `nodes` accept both formats.

The old format is base64 of `0{length}:{Type}{database id}` (`MDU6SXNzdWU1MTMzNzA1MDI=`). The new format is a short
prefix and base64url of a msgpack array `[0, repository id, database id]` (`I_kwDOBoyH6c5oG1Dj`). In the new format, an
account's id has no repository id, and a timeline event's id also has the id of its thread. In both formats, the id of a
commit or ref has a name in place of the database id.
"""

import base64
import binascii
import re
import struct
from typing import Any, NamedTuple

PREFIXES = {
    "Bot": "BOT",
    "EnterpriseUserAccount": "EUA",
    "Mannequin": "M",
    "Organization": "O",
    "Team": "T",
    "User": "U",
    "Repository": "R",
    "Commit": "C",
    "Ref": "REF",
    "Push": "PSH",
    "Label": "LA",
    "Milestone": "MI",
    "Release": "RE",
    "Issue": "I",
    "IssueComment": "IC",
    "PullRequest": "PR",
    "PullRequestCommit": "PURC",
    "PullRequestReview": "PRR",
    "PullRequestReviewComment": "PRRC",
    "PullRequestReviewThread": "PRRT",
    "ReviewRequest": "RR",
    "Discussion": "D",
    "DiscussionCategory": "DIC",
    "DiscussionComment": "DC",
    "AssignedEvent": "AE",
    "BaseRefChangedEvent": "BRCE",
    "BaseRefDeletedEvent": "BRDE",
    "BaseRefForcePushedEvent": "BRFPE",
    "ClosedEvent": "CE",
    "CommentDeletedEvent": "CDE",
    "ConnectedEvent": "CONE",
    "ConvertToDraftEvent": "CTDE",
    "ConvertedToDiscussionEvent": "COTDE",
    "CrossReferencedEvent": "CRE",
    "DemilestonedEvent": "DEME",
    "DisconnectedEvent": "DISE",
    "HeadRefDeletedEvent": "HRDE",
    "HeadRefForcePushedEvent": "HRFPE",
    "HeadRefRestoredEvent": "HRRE",
    "LabeledEvent": "LE",
    "LockedEvent": "LOE",
    "MarkedAsDuplicateEvent": "MADE",
    "MentionedEvent": "MEE",
    "MergedEvent": "ME",
    "MilestonedEvent": "MILE",
    "PinnedEvent": "PIE",
    "ReadyForReviewEvent": "RFRE",
    "ReferencedEvent": "REFE",
    "RenamedTitleEvent": "RTE",
    "ReopenedEvent": "REE",
    "ReviewDismissedEvent": "RDE",
    "ReviewRequestRemovedEvent": "RRRE",
    "ReviewRequestedEvent": "RRE",
    "SubscribedEvent": "SE",
    "TransferredEvent": "TE",
    "UnassignedEvent": "UNAE",
    "UnlabeledEvent": "UNLE",
    "UnlockedEvent": "UNLOE",
    "UnmarkedAsDuplicateEvent": "UMADE",
    "UnpinnedEvent": "UPE",
    "UnsubscribedEvent": "UNSE",
    "AddedToMergeQueueEvent": "ATMQE",
    "AddedToProjectV2Event": "ATPVE",
    "AutoMergeDisabledEvent": "AMDE",
    "AutoMergeEnabledEvent": "AMEE",
    "BlockedByAddedEvent": "BBAE",
    "BlockedByRemovedEvent": "BBRE",
    "BlockingAddedEvent": "BLAE",
    "BlockingRemovedEvent": "BLRE",
    "ConvertedFromDraftEvent": "CFDE",
    "DeployedEvent": "DEPE",
    "Deployment": "DE",
    "DeploymentEnvironmentChangedEvent": "DECE",
    "IssueType": "IT",
    "IssueTypeAddedEvent": "ITAE",
    "IssueTypeChangedEvent": "ITCE",
    "IssueTypeRemovedEvent": "ITRE",
    "ParentIssueAddedEvent": "PIAE",
    "ParentIssueRemovedEvent": "PIRE",
    "ProjectV2": "PVT",
    "ProjectV2ItemStatusChangedEvent": "PVTISCE",
    "RemovedFromMergeQueueEvent": "RFMQE",
    "RemovedFromProjectV2Event": "RFPVE",
    "SubIssueAddedEvent": "SIAE",
    "SubIssueRemovedEvent": "SIRE",
    "UserBlockedEvent": "UBE",
}
TYPES = {prefix: typename for typename, prefix in PREFIXES.items()}
assert len(TYPES) == len(PREFIXES)

_OLD = re.compile(r"0(\d+):([A-Za-z]+)(.+)", re.DOTALL)
_PACK_ONE = struct.Struct(">BBBI").pack
_PACK_TWO = struct.Struct(">BBBIBI").pack
_PACK_THREE = struct.Struct(">BBBIBIBI").pack


class NodeId(NamedTuple):
    """The content of a node id. `key` is the database id, or the name of a commit or ref."""

    typename: str
    key: int | str


def old(typename: str, key: int | str) -> str:
    return base64.b64encode(f"0{len(typename)}:{typename}{key}".encode()).decode()


def new(typename: str, *path: int | str) -> str:
    """Returns a node id in the new format. `path` ends with the object's own database id or name. Before it come the id
    of the repository and, for a timeline event, the id of its thread.
    """
    own = path[-1]
    if isinstance(own, int) and own <= 0xFFFFFFFF:
        # The plain cases make nearly every id of a page: no generic packing for them.
        match path:
            case (int(first),):
                packed = _PACK_ONE(0x92, 0, 0xCE, first)
            case (int(first), int(second)):
                packed = _PACK_TWO(0x93, 0, 0xCE, first, 0xCE, second)
            case (int(first), int(second), int(third)) if second <= 0xFFFFFFFF:
                packed = _PACK_THREE(0x94, 0, 0xCE, first, 0xCE, second, 0xCE, third)
            case _:
                packed = _packed(path)
    else:
        packed = _packed(path)
    return f"{PREFIXES[typename]}_{base64.urlsafe_b64encode(packed).rstrip(b'=').decode()}"


def parse(node_id: str) -> NodeId | None:
    """Returns the content of a node id. Returns None if the text is in neither of the two formats."""
    prefix, separator, packed = node_id.partition("_")
    try:
        if separator and prefix in TYPES:
            path = _unpacked(base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True))
            return NodeId(TYPES[prefix], path[-1])
        found = _OLD.fullmatch(base64.b64decode(node_id, validate=True).decode())
    except (binascii.Error, struct.error, IndexError, UnicodeDecodeError, ValueError):
        return None
    if found is None:
        return None
    length, rest = int(found[1]), found[2] + found[3]
    typename, key = rest[:length], rest[length:]
    return NodeId(typename, int(key) if key.isdigit() else key)


def repository_of(node_id: str) -> int:
    """Returns the repository's id that a node id of the new format holds. Raises `ValueError` if the node id holds
    none.
    """
    prefix, _, packed = node_id.partition("_")
    path = _unpacked(base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True))
    if prefix not in TYPES or len(path) < 2 or not isinstance(path[0], int):
        raise ValueError(f"{node_id} names no repository")
    return path[0]


def _packed(path: tuple[int | str, ...]) -> bytes:
    parts = [bytes((0x91 + len(path), 0))]
    for step in path:
        if isinstance(step, str):
            text = step.encode()
            parts.append(struct.pack(">BH", 0xDA, len(text)) + text)
        elif step <= 0xFFFFFFFF:
            parts.append(struct.pack(">BI", 0xCE, step))
        else:
            parts.append(struct.pack(">BQ", 0xCF, step))
    return b"".join(parts)


def _unpacked(packed: bytes) -> list[int | str]:
    if packed[0] & 0xF0 != 0x90 or packed[1] != 0:
        raise ValueError("not an array that starts with 0")
    path: list[int | str] = []
    at = 2
    for _ in range((packed[0] & 0x0F) - 1):
        kind = packed[at]
        if kind == 0xCE:
            path.append(struct.unpack_from(">I", packed, at + 1)[0])
            at += 5
        elif kind == 0xCF:
            path.append(struct.unpack_from(">Q", packed, at + 1)[0])
            at += 9
        elif kind == 0xDA:
            length = struct.unpack_from(">H", packed, at + 1)[0]
            path.append(packed[at + 3 : at + 3 + length].decode())
            at += 3 + length
        else:
            raise ValueError(f"unknown kind {kind:#x}")
    if at != len(packed):
        raise ValueError("something follows the array")
    return path


def of(thing: Any, is_new: bool, *path: int) -> str:
    """Returns the node id of an object with a `typename` and a `database_id`. The id has the new format if `is_new` is
    true, otherwise the old format. Only the new format uses `path`: the id of the repository and, for a timeline event,
    the id of its thread.
    """
    if is_new:
        return new(thing.typename, *path, thing.database_id)
    return old(thing.typename, thing.database_id)
