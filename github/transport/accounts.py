"""The accounts behind the credentials: which account a token belongs to, and which credentials GitHub accepts at
present.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from time import monotonic

import structlog

from budget.account import Ask, Pool, Told
from errors import BackfillError, JobOver, PartOver, RetryLater, RetryNow, TooLarge
from github.answers.mapping import mapping
from github.answers.reading import all_windows, read_graphql, read_rest, windows_of
from github.answers.refusals import Limited, Unauthorized
from github.nodes.values import github_id, text
from github.transport.call import Call
from github.transport.connection import Connection
from github.transport.credentials import Credential, Credentials, Installation

log = structlog.get_logger(__name__)

LIMITED_SECONDS = 5.0
"""Assumed seconds that an account is limited, if GitHub does not say."""
DOUBT = 5.0
"""Seconds until a token is tried again after its first 401."""
SET_ASIDE = 60.0
"""Seconds until a credential is tried again after a second or later 401 in a row."""


@dataclass(slots=True)
class _Standing:
    """Counts a credential's 401 answers in a row. A single 401 is not final, because GitHub occasionally sends a stray
    401.
    """

    strikes: int = 0
    refused_until: float = 0.0


class Accounts:
    """The accounts of `credentials`. The account of each token is looked up once. A credential that GitHub refuses is
    set aside for some time.
    """

    def __init__(self, credentials: Credentials, connection: Connection, pool: Pool) -> None:
        self._credentials = credentials
        self._connection = connection
        self._pool = pool
        self._standings: dict[str, _Standing] = {}
        self._introducing = asyncio.Lock()

    def accepted(self, credential: Credential) -> None:
        """Records that GitHub accepted this credential, so that earlier 401 answers no longer count."""
        self._standings.pop(credential.label, None)

    async def candidates(self, repository: str, call: Call, *, only: str | None = None) -> dict[str, Credential]:
        """Returns the accounts that can send the next request of `call`, each with the credential to use. If `only` is
        given, other accounts are left out. Returns no account once all accounts were tried.

        `repository` is a full name, or empty. If no account can send the request, and GitHub has answered none of the
        call's requests, raises `JobOver` or `RetryLater`.
        """
        now = monotonic()
        credentials = await self._credentials.of(repository.partition("/")[0] or None)
        accepted = [each for each in credentials if self._standing(each).refused_until <= now]
        candidates: dict[str, Credential] = {}
        for credential in accepted:
            account = credential.account or await self._introduced(credential)
            if account is not None and only in (None, account) and call.may_send(credential.label):
                candidates.setdefault(account, credential)
        if not candidates and not call.was_heard:
            raise self._none_accepted(credentials)
        return {account: candidates[account] for account in call.open_to(candidates)}

    def _standing(self, credential: Credential) -> _Standing:
        return self._standings.setdefault(credential.label, _Standing())

    async def _introduced(self, credential: Credential) -> str | None:
        """Returns the account of a token. If the account is not known yet, GitHub is asked for it. Returns None if
        GitHub does not accept the token.
        """
        async with self._introducing:
            if credential.account is None and self._standing(credential).refused_until <= monotonic():
                await self._introduce(credential)
            return credential.account

    async def _introduce(self, credential: Credential) -> None:
        """Looks up the account of a token by GraphQL, because that answer also holds the remaining budget. If the
        GraphQL budget is used up, the account is looked up by REST.
        """
        secret = await credential.secret()
        try:
            raw = await self._connection.viewer(secret)
            answer = read_graphql(Ask("graphql", "Viewer"), raw)
        except Unauthorized:
            await self.refused(credential, secret)
            return
        except Limited as error:
            account = await self._account_by_rest(secret)
            told = Told("limited", raw.seconds, 0, windows_of(raw.headers), error.wait)
            await self._pool.hear(account, told, "Viewer")
            credential.account = account
            return
        except PartOver as error:
            # A token that may not ask who it is, of an Actions workflow say: its own account, then.
            log.info("GitHub does not tell the account of a credential", credential=credential.label, why=error.message)
            credential.account = _account_of_nobody(secret)
            return
        except TooLarge as error:
            raise RetryNow(error.code, error.message) from error
        with mapping("Viewer"):
            viewer, rate = answer.data["viewer"], answer.data.get("rateLimit") or {}
            account, login = f"user:{github_id(viewer['databaseId'])}", text(viewer["login"])
        credential.account = account
        told = Told("answered", raw.seconds, answer.cost, all_windows(raw, answer))
        await self._pool.hear(credential.account, told, "Viewer")
        log.info(
            "account",
            credential=credential.label,
            account=credential.account,
            login=login,
            points_left=rate.get("remaining"),
            points=rate.get("limit"),
        )

    async def _account_by_rest(self, secret: str) -> str:
        try:
            answer = read_rest(Ask("core", "user"), await self._connection.user(secret), self._connection.api_url)
        except Limited as error:
            at = datetime.now(UTC) + timedelta(seconds=max(error.wait or LIMITED_SECONDS, 1.0))
            raise RetryLater("rate_limited", "both budgets of a token's account are used up", at) from error
        except PartOver:
            return _account_of_nobody(secret)
        with mapping("user"):
            return f"user:{github_id(answer.data['id'])}"

    async def refused(self, credential: Credential, secret: str) -> None:
        """Sets a credential aside after a 401. After the first 401 in a row, a token is set aside for `DOUBT` seconds.
        An installation is not set aside after its first 401, because it creates another token. After each further 401
        in a row, any credential is set aside for `SET_ASIDE` seconds.
        """
        standing = self._standing(credential)
        standing.strikes += 1
        if standing.strikes > 1:
            standing.refused_until = monotonic() + SET_ASIDE
        elif not isinstance(credential, Installation):
            # An installation makes another token; this one is the only one that there is.
            standing.refused_until = monotonic() + DOUBT
        log.warning("GitHub refuses a token (401): it is set aside", credential=credential.label)
        await self._credentials.refused(credential, secret)

    def _none_accepted(self, credentials: Sequence[Credential]) -> BackfillError:
        standings = [self._standing(each) for each in credentials]
        if all(each.strikes > 1 for each in standings):
            return JobOver(
                "unauthorized", "GitHub accepts none of the tokens (401)", "put a valid token into GITHUB_TOKENS"
            )
        # Of one that answered another call meanwhile nothing is held against it.
        wait = max(0.0, min((each.refused_until for each in standings if each.strikes), default=0.0) - monotonic())
        at = datetime.now(UTC) + timedelta(seconds=wait + random.uniform(0.1, 0.5))  # nosec B311 # a pause
        return RetryLater("unauthorized", "GitHub refuses every token (401); asking once more", at)


def _account_of_nobody(secret: str) -> str:
    """Returns the key of the budget for a token whose account GitHub does not tell."""
    return f"token:{sha256(secret.encode()).hexdigest()[:8]}"
