"""Answers that were had before a sweep began, in the shape in which its own requests would get them."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from github.answers import Answer


class Told(NamedTuple):
    """An answer that a sweep need not ask for."""

    asked_at: datetime
    account: str
    data: Any


@dataclass
class Prefetched:
    """The answers that were had for one repository before its sweeps began, by operation. Each is taken once."""

    told: dict[str, Told] = field(default_factory=dict)
    _taken: int = 0

    def take(self, operation: str, variables: Mapping[str, Any]) -> Answer | None:
        """The answer to this request; None: it has to be sent."""
        told = self.told.get(operation)
        if told is None or variables.get("after") is not None:
            return None
        data = told.data
        if operation == "CommitHistory":
            # Pushes lead from the head to a commit further down, which is as good a beginning if the page has it.
            nodes = data["repository"]["object"]["history"]["nodes"] or ()
            data = data if any(each and each["oid"] == variables["oid"] for each in nodes) else None
        elif operation == "ReviewComments":
            nodes = [data.get(each) for each in variables["ids"]]
            data = {"nodes": nodes} if all(nodes) else None
        if data is None:
            return None
        if operation != "ReviewComments":
            del self.told[operation]
        self._taken += 1
        return Answer(data, told.asked_at, seconds=0.0, account=told.account)

    def spared(self) -> int:
        """How many requests were not sent since this was asked last."""
        taken, self._taken = self._taken, 0
        return taken

    def packed(self) -> bytes:
        return zlib.compress(orjson.dumps({name: list(each) for name, each in self.told.items()}))

    def unpack(self, packed: bytes) -> None:
        content = orjson.loads(zlib.decompress(packed))
        self.told = {
            name: Told(datetime.fromisoformat(at), account, data) for name, (at, account, data) in content.items()
        }
