"""One call of the client: which accounts may still be asked, and what the call ends with.

Each account has its say once: it answers, or it refuses for good. What may pass (a 401, a missing scope, a limit) is
counted, so that every call ends, whatever GitHub says to whom: after `MOST_REQUESTS` for each account at most.
"""

from collections import Counter
from collections.abc import Iterable

from errors import PartOver, RetryNow
from github.answers.reading import Answer

MOST_REQUESTS = 4
"""Of one call, with one credential."""


class Call:
    """What the accounts said of one operation on one repository.

    `denied` are accounts that were denied it in earlier calls: they are asked last. The call keeps it up to date.
    """

    def __init__(self, denied: set[str]) -> None:
        self._denied = denied
        self._answers: list[Answer] = []
        self._denials: list[PartOver] = []
        self._heard: set[str] = set()
        """Accounts that had their say."""
        self._requests: Counter[str] = Counter()
        """By a credential's label."""
        self.limited = 0
        """Refusals for now, of whichever account."""

    @property
    def was_heard(self) -> bool:
        """Whether an account had its say."""
        return bool(self._heard)

    def open_to(self, accounts: Iterable[str]) -> list[str]:
        """Those of the accounts that may be asked next; none if all had their say."""
        open_ = [account for account in accounts if account not in self._heard]
        return [account for account in open_ if account not in self._denied] or open_

    def may_send(self, label: str) -> bool:
        """Whether a credential may send another request of this call."""
        return self._requests[label] < MOST_REQUESTS

    def sent(self, label: str) -> None:
        self._requests[label] += 1

    def lacks_fields(self, account: str) -> None:
        """The account is answered without some fields only: it is asked so, if nobody else shows more."""
        self._denied.add(account)

    def denies(self, account: str, label: str, error: PartOver) -> None:
        """The account is refused for good."""
        self._heard.add(account)
        self._denied.add(account)
        self._denials.append(_to(label, error))

    def shows_less(self, account: str, answer: Answer) -> None:
        """The account is answered, but refused a part of what was asked for: another one may see more."""
        self._heard.add(account)
        self._denied.add(account)
        self._answers.append(answer)

    def end(self) -> Answer:
        """The answer that shows most. Raises the refusal that says most, if there is no answer.

        Accounts that were denied are asked again by the next call: nobody is left who may see more.
        """
        self._denied.difference_update(self._heard)
        if self._answers:
            return min(self._answers, key=lambda answer: len(answer.refused))
        if self._denials:
            # That a repository is not there is what GitHub tells those who may not see it.
            raise min(self._denials, key=lambda error: error.code == "gone")
        raise RetryNow("refused", "GitHub refuses this request again and again, each time for another reason")


def _to(label: str, error: PartOver) -> PartOver:
    """The refusal with whom it is of, where a person can do something about that."""
    if error.code != "forbidden" or not error.action:
        return error
    return type(error)(error.code, error.message, f"{error.action} ({label})")
