"""Answers that were read before a sweep began, in the shape in which its own requests would get them."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from github.answers.reading import Answer


class PrefetchedAnswer(NamedTuple):
    """An answer that a sweep takes instead of sending the request."""

    asked_at: datetime
    account: str
    data: Any


@dataclass
class Prefetched:
    """What was read of one repository before its sweeps began, by operation. Each answer is taken once: a repeated
    request is sent."""

    told: dict[str, PrefetchedAnswer] = field(default_factory=dict)
    _taken: int = 0

    def take(self, operation: str, variables: Mapping[str, Any]) -> Answer | None:
        """The answer to this request; None: it has to be sent."""
        told = self.told.get(operation)
        if told is None or variables.get("after") is not None:
            # What has to be sent is read later than the reviews' comments were: they may be others by then.
            self.told.pop("ReviewComments", None)
            return None
        data = told.data
        if operation == "CommitHistory":
            # Pushes lead from the head to a commit further down, which is as good a beginning if the page has it.
            nodes = data["repository"]["object"]["history"]["nodes"] or ()
            data = data if any(each and each["oid"] == variables["oid"] for each in nodes) else None
        elif operation == "ReviewComments":
            # A review that is asked for again was not shown whole: the same answer would prove nothing.
            nodes = [data.pop(each, None) for each in variables["ids"]]
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
            name: PrefetchedAnswer(datetime.fromisoformat(at), account, data)
            for name, (at, account, data) in content.items()
        }
