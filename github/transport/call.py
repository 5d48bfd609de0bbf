"""One call of the client: which accounts are still to be tried, and the answer or error with which the call ends.

Each account is tried until GitHub answers its request, or refuses the account for good. After other refusals (a 401, a
missing scope, a limit) the account may be tried again. A call sends at most `MOST_REQUESTS` requests with each
credential, so that it comes to an end.
"""

from collections import Counter
from collections.abc import Iterable

from errors import PartOver, RetryNow
from github.answers.reading import Answer

MOST_REQUESTS = 4
"""Most requests of one call with one credential."""


class Call:
    """One call of an operation. It tells which accounts may still be tried, and collects GitHub's answer to each
    account.

    `denied` holds the accounts that GitHub refused in earlier calls. These accounts are tried last. The call adds
    accounts to `denied` and removes accounts from it.
    """

    def __init__(self, denied: set[str]) -> None:
        self._denied = denied
        self._answers: list[Answer] = []
        self._denials: list[PartOver] = []
        self._heard: set[str] = set()
        """Accounts that GitHub has answered, or refused for good."""
        self._requests: Counter[str] = Counter()
        """Requests sent, by the credential's label."""
        self.limited = 0
        """How many rate limits the call has met, with all accounts together."""

    @property
    def was_heard(self) -> bool:
        """Whether GitHub has answered an account, or refused an account for good."""
        return bool(self._heard)

    def open_to(self, accounts: Iterable[str]) -> list[str]:
        """Returns those of `accounts` that may be tried next. The accounts in `denied` are returned only if no other
        account is left. Returns no account once GitHub has answered each account, or refused it for good.
        """
        open_ = [account for account in accounts if account not in self._heard]
        return [account for account in open_ if account not in self._denied] or open_

    def may_send(self, label: str) -> bool:
        """Returns whether the credential `label` may send another request in this call."""
        return self._requests[label] < MOST_REQUESTS

    def sent(self, label: str) -> None:
        self._requests[label] += 1

    def lacks_fields(self, account: str) -> None:
        """Records that GitHub refuses some fields to the account. The account is tried again without these fields,
        after the accounts that GitHub has not refused.
        """
        self._denied.add(account)

    def denies(self, account: str, label: str, error: PartOver) -> None:
        """Records that the account is refused for good."""
        self._heard.add(account)
        self._denied.add(account)
        self._denials.append(_to(label, error))

    def shows_less(self, account: str, answer: Answer) -> None:
        """Records an answer in which GitHub refused something. Another account may see more."""
        self._heard.add(account)
        self._denied.add(account)
        self._answers.append(answer)

    def end(self) -> Answer:
        """Returns the answer with the fewest refusals. If there is no answer, raises one of the refusals. A refusal
        with the code `gone` is raised only if there is no other refusal, because GitHub also says "gone" to accounts
        that may not see the repository.

        The accounts that GitHub answered or refused in this call are removed from `denied`, so that later calls do not
        try them last.
        """
        self._denied.difference_update(self._heard)
        if self._answers:
            return min(self._answers, key=lambda answer: len(answer.refused))
        if self._denials:
            # That a repository is not there is what GitHub tells those who may not see it.
            raise min(self._denials, key=lambda error: error.code == "gone")
        raise RetryNow("refused", "GitHub refuses this request again and again, each time for another reason")


def _to(label: str, error: PartOver) -> PartOver:
    """Returns the refusal `error` with the credential's label in its advice. Returns `error` unchanged if a person
    cannot remove the refusal.
    """
    if error.code != "forbidden" or not error.action:
        return error
    return type(error)(error.code, error.message, f"{error.action} ({label})")
