"""Holds answers that were read before a sweep began. The sweep takes an answer from here in place of sending the
request. A prefetched answer has the same shape as an answer to that request.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from github.answers.reading import Answer
from github.queries.documents import text

OPERATIONS = ("SmallRepositories", "ReviewComments")
"""The operations whose answers are prefetched."""
_REVISION, _REVIEW = "revision", "review:"


class PrefetchedAnswer(NamedTuple):
    """An answer that a sweep takes in place of sending a request."""

    asked_at: datetime
    account: str
    data: Any


@dataclass
class Prefetched:
    """The answers for one repository that were read before its sweeps began. `told` holds answers by operation.
    `reviews` holds the comments of reviews, by the review's node id. Each answer is used once. If a request is
    repeated, it is sent to GitHub.
    """

    told: dict[str, PrefetchedAnswer] = field(default_factory=dict)
    reviews: dict[str, PrefetchedAnswer] = field(default_factory=dict)
    is_old: bool = False
    """Whether the answers were read so long ago that later changes have to be requested."""
    _taken: int = 0

    def take(self, operation: str, variables: Mapping[str, Any]) -> Answer | None:
        """Returns the prefetched answer to this request, which is then used up. Returns None if the request has to be
        sent.
        """
        if operation == "ReviewComments":
            return self._take_reviews(variables["ids"])
        told = self.told.get(operation)
        if told is None or variables.get("after") is not None:
            # What has to be sent is read later than the reviews' comments were: they may be others by then.
            self.reviews.clear()
            return None
        if operation == "CommitHistory":
            # Pushes lead from the head to a commit further down, which is as good a beginning if the page has it.
            nodes = told.data["repository"]["object"]["history"]["nodes"] or ()
            if not any(each and each["oid"] == variables["oid"] for each in nodes):
                return None
        del self.told[operation]
        return self._answer(told.asked_at, told.account, told.data)

    def reviews_at_once(self, ids: Sequence[str]) -> list[str]:
        """Takes the account that has read the first prefetched review in `ids`, and returns all prefetched reviews in
        `ids` that this account has read. One answer can hold the comments of these reviews, because an answer belongs
        to one account. The comments of all other reviews have to be requested.
        """
        held = [each for each in ids if each in self.reviews]
        return [each for each in held if self.reviews[each].account == self.reviews[held[0]].account]

    def _take_reviews(self, ids: Sequence[str]) -> Answer | None:
        if not ids or self.reviews_at_once(ids) != list(ids):
            return None
        # A review that is asked for again was not shown whole: the same answer would prove nothing.
        taken = [self.reviews.pop(each) for each in ids]
        asked_at = min(each.asked_at for each in taken)
        return self._answer(asked_at, taken[0].account, {"nodes": [each.data for each in taken]})

    def _answer(self, asked_at: datetime, account: str, data: Any) -> Answer:
        self._taken += 1
        return Answer(data, asked_at, seconds=0.0, account=account)

    def spared(self) -> int:
        """Returns how many requests prefetched answers have saved since the last call of this method."""
        taken, self._taken = self._taken, 0
        return taken

    def packed(self) -> bytes:
        # Flat, since releases that knew no revision read it so.
        content = {_REVISION: PrefetchedAnswer(datetime.min, _revision(), None)} | self.told
        content |= {f"{_REVIEW}{node_id}": each for node_id, each in self.reviews.items()}
        return zlib.compress(orjson.dumps({key: list(each) for key, each in content.items()}))

    def unpack(self, packed: bytes, *, is_old: bool = False) -> None:
        """Adds the answers in `packed`. Answers of another release are ignored, because the documents of that release
        request other fields. `is_old` says that threads may have changed since the answers were read, so that a
        catch-up has to follow.
        """
        content = {
            key: PrefetchedAnswer(datetime.fromisoformat(at), account, data)
            for key, (at, account, data) in orjson.loads(zlib.decompress(packed)).items()
        }
        revision = content.pop(_REVISION, None)
        if revision is None or revision.account != _revision():
            return
        for key, each in content.items():
            if key.startswith(_REVIEW):
                self.reviews[key.removeprefix(_REVIEW)] = each
            else:
                self.told[key] = each
        self.is_old = is_old


@cache
def _revision() -> str:
    """Returns a hash of the documents whose answers are prefetched. Answers with another hash are not used, because
    their fields may differ.
    """
    return sha256("".join(text(each) for each in OPERATIONS).encode()).hexdigest()[:16]
