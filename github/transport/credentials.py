"""The credentials for GitHub: tokens, and the installations of a GitHub App, whose tokens live for an hour.

An installation's token is created when it is first needed, and renewed before it expires. GitHub's clock decides
whether a token has expired. The header `Date` of GitHub's answers shows this clock. Before the first answer, our own
clock decides.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic, time
from typing import Any, Generic, Protocol, TypeVar

import aiohttp
import orjson
import structlog

import logs
from errors import BackfillError, JobOver, PartOver, RetryLater, RetryNow
from github import clock as moments
from github.answers.links import links, query_of
from github.answers.refusals import message_of, of_http
from github.clock import date_of
from github.transport.connection import BROKEN, broken

log = structlog.get_logger(__name__)
T = TypeVar("T")

RENEWED_BEFORE = 300.0
"""Seconds before its expiry at which an installation's token is renewed; half of its lifetime if that is less."""
LISTED_AGAIN_AFTER = 180.0
"""Seconds after which the installations are listed again if the list lacks the wanted owner."""
JWT_ISSUED_BEFORE = 60
JWT_SECONDS = 540
"""Lifetime of a JSON web token. GitHub accepts 600 seconds at most, by its own clock."""
LIMIT_WAIT = 60.0
"""Seconds to wait at a rate limit that does not say how long."""


class Credential(Protocol):
    """One way to authenticate to GitHub: a token, or an installation of the App.

    `label` is the credential's name in messages and logs, and is never a secret. `account` is the key of the budget
    that pays for the credential's requests, such as `installation:123` or `user:456`. A token's account is None until
    GitHub was asked for it.
    """

    label: str
    account: str | None

    async def secret(self) -> str:
        """Returns the token to send. An installation creates a token if it has no valid token.

        Raises `RetryNow` if a token cannot be created at the moment, `RetryLater` if GitHub limits the App, and
        `JobOver` (unauthorized) if GitHub does not accept the App. An installation that is suspended or gone also
        raises `RetryNow`. From then on, `Credentials.of` does not return that installation.
        """


@dataclass(slots=True, eq=False)
class Token:
    """A token of GITHUB_TOKENS, as a `Credential`."""

    value: str = field(repr=False)
    label: str
    account: str | None = None

    async def secret(self) -> str:
        return self.value


@dataclass(slots=True, eq=False)
class Installation:
    """The App's installation for one owner, as a `Credential`. `set_aside` says why the installation must not be used
    at present, and is empty if it may be used.
    """

    id: int
    label: str
    account: str | None
    app: "App" = field(repr=False)
    set_aside: str = ""
    _token: str = field(default="", repr=False)
    _renewed_at: float = 0.0
    _creation: "_Shared[str]" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._creation = _Shared(self._create)

    async def secret(self) -> str:
        if self._token and self.app.now() < self._renewed_at:
            return self._token
        return await self._creation.done()

    def is_of(self, owner: str) -> bool:
        """Returns whether this is the installation of the account `owner`. Upper and lower case do not matter."""
        return bool(owner) and self.label.lower() == f"installation of {owner}".lower()

    def forget(self, refused: str | None = None) -> None:
        """Discards the installation's token. If `refused` is given, the token is discarded only if it equals `refused`,
        because another call may have created a new token meanwhile.
        """
        if self._token and refused in (None, self._token):
            logs.forget_secret(self._token)
            self._token = ""  # nosec B105 # none yet

    async def _create(self) -> str:
        status, headers, content = await self.app.ask("POST", f"/app/installations/{self.id}/access_tokens")
        if status != 201:
            error = self.app.refusal(status, headers, content, f"a token for the {self.label}")
            if isinstance(error, PartOver):
                self.set_aside = error.message
                self.forget()
                log.warning("credential is set aside", credential=self.label, account=self.account, why=error.message)
                raise RetryNow("set_aside", f"the {self.label} cannot be used: {error.message}", error.action)
            raise error
        token, expires_at = content["token"], moments.time(content["expires_at"]).timestamp()
        logs.register_secret(token)
        self.forget()
        now = self.app.now()
        self._token, self._renewed_at = token, expires_at - min(RENEWED_BEFORE, (expires_at - now) / 2)
        return self._token


class Credentials:
    """All credentials of the settings: tokens, a GitHub App, or both."""

    def __init__(self, tokens: Sequence[str] = (), app: "App | None" = None) -> None:
        for token in tokens:
            logs.register_secret(token)
        self._tokens = tuple(Token(each, f"token {place} of {len(tokens)}") for place, each in enumerate(tokens, 1))
        self._app = app

    async def of(self, owner: str | None) -> Sequence[Credential]:
        """Returns the credentials that may read repositories of `owner`, a login. The best credential comes first.

        The order is: the owner's installation, the tokens, then the installations of other owners, which see only
        public repositories of `owner`. If `owner` is None, all installations come after the tokens. Raises `PartOver`
        (forbidden) if there is no credential. Raises the errors of `Credential.secret` if the installations have to be
        listed.
        """
        own, others = await self._app.installations(owner) if self._app else ([], [])
        found: tuple[Credential, ...] = (*own, *self._tokens, *others)
        if not found:
            raise PartOver(
                "forbidden",
                f"no installation of the GitHub App can be used{f' for {owner}' if owner else ''}",
                f"install the App{f' for {owner}' if owner else ''}, or unsuspend it, or set GITHUB_TOKENS",
            )
        return found

    async def refused(self, credential: Credential, secret: str | None = None) -> None:
        """Records that GitHub refused a credential, with a 401 or with the 403 for a suspended installation.

        An installation's token is discarded, so that the next use creates a new token. If `secret` is given, the token
        is discarded only if it equals `secret`. A token of GITHUB_TOKENS is kept.
        """
        if isinstance(credential, Installation):
            credential.forget(secret)


class App:
    """A GitHub App and its installations. `app_id` is the App's id or client id. `private_key` is its private key
    (PEM).

    Requests are sent to `api_url` through `session`, which sets their timeout. `clock` counts seconds and never goes
    back.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        app_id: str,
        private_key: str,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        logs.register_secret(private_key)
        self._session = session
        self._url = api_url
        self._id = app_id
        self._private_key = private_key
        self._clock = clock
        self._ahead = time() - clock()
        self._installations: dict[str, Installation] = {}
        self._listed_at: float | None = None
        self._listing = _Shared(self._list)

    def now(self) -> float:
        """Returns GitHub's time in seconds since 1970: the date of GitHub's latest answer plus the time that has passed
        since then on our clock. Before the first answer, returns our own time.
        """
        return self._clock() + self._ahead

    async def installations(self, owner: str | None) -> tuple[list[Installation], list[Installation]]:
        """Returns the usable installations in two lists: the installation of `owner`, and all others. If `owner` is
        None, the first list is empty. Raises as `Credential.secret` does if the installations have to be listed.
        """
        name = (owner or "").lower()
        if self._lacks(name):
            await self._listing.done()
        usable = self._usable()
        own = [usable.pop(name)] if name in usable else []
        return own, list(usable.values())

    def _usable(self) -> dict[str, Installation]:
        return {login: each for login, each in self._installations.items() if not each.set_aside}

    def _lacks(self, name: str) -> bool:
        """Returns whether the list of installations has to be requested. This is so if the list was never requested. It
        is also so if the owner `name` has no usable installation and the latest list is at least `LISTED_AGAIN_AFTER`
        seconds old. If `name` is empty, any usable installation suffices.
        """
        if self._listed_at is None:
            return True
        usable = self._usable()
        lacking = name not in usable if name else not usable
        return lacking and self._clock() >= self._listed_at + LISTED_AGAIN_AFTER

    async def _list(self) -> None:
        known = {each.id: each for each in self._installations.values()}
        found: dict[str, Installation] = {}
        async for listed in self.listed():
            login = (listed.get("account") or {}).get("login")
            if login is None:
                continue  # an enterprise's own installation, which has no repositories
            number, label = listed["id"], f"installation of {login}"
            installation = known.pop(number, None) or Installation(number, label, f"installation:{number}", self)
            suspended = "GitHub lists it as suspended" if listed.get("suspended_at") else ""
            if suspended and not installation.set_aside:
                log.warning("credential is set aside", credential=label, account=installation.account, why=suspended)
            # The owner's login may have changed.
            installation.label, installation.set_aside = label, suspended
            found[login.lower()] = installation
        for gone in known.values():
            gone.forget()
        self._installations, self._listed_at = found, self._clock()

    async def listed(self) -> AsyncIterator[dict[str, Any]]:
        """Yields each installation as GitHub lists it: `{id, account: {login}, permissions, suspended_at}`. Suspended
        installations are included.
        """
        query = "per_page=100"
        while query:
            status, headers, content = await self.ask("GET", f"/app/installations?{query}")
            if status != 200:
                error = self.refusal(status, headers, content, "the list of its installations")
                if isinstance(error, PartOver):
                    raise _not_accepted(status, message_of(content))
                raise error
            for each in content:
                yield each
            # Only the query is used: the App's JSON web token must not be sent to another server.
            query = query_of(links(headers).get("next"))

    async def ask(self, method: str, path: str) -> tuple[int, Mapping[str, str], Any]:
        """Sends a request as the App, and returns the status, headers and JSON of the answer. If GitHub refuses the
        times in our JSON web token, the request is repeated with GitHub's time.

        Raises `RetryNow` if there is no answer, or if an answer with a status below 400 is not JSON.
        """
        status, headers, content = await self._send(method, path)
        words = message_of(content)
        if status == 401 and ("'iat'" in words or "'exp'" in words):
            log.warning("our clock is wrong; going on by GitHub's", why=words)
            status, headers, content = await self._send(method, path)
        return status, headers, content

    async def _send(self, method: str, path: str) -> tuple[int, Mapping[str, str], Any]:
        authorization = {"Authorization": f"Bearer {self._signed()}"}
        try:
            async with self._session.request(method, f"{self._url}{path}", headers=authorization) as response:
                raw = await response.read()
        except TimeoutError as error:
            raise RetryNow("timeout", "GitHub did not answer the App in time") from error
        except BROKEN as error:
            raise broken(error) from error
        self._hear(response.headers)
        try:
            return response.status, response.headers, orjson.loads(raw)
        except orjson.JSONDecodeError:
            if response.status < 400:
                raise RetryNow("bad_answer", "GitHub's answer to the App is cut short or not JSON") from None
            return response.status, response.headers, None

    def _signed(self) -> str:
        """Returns a JSON web token that identifies the App for a few minutes."""
        # Imported here, because with cryptography it takes 10 MB, which workers with tokens only do not need.
        import jwt

        now = int(self.now())
        claims = {"iat": now - JWT_ISSUED_BEFORE, "exp": now + JWT_SECONDS, "iss": self._id}
        return jwt.encode(claims, self._private_key, algorithm="RS256")

    def _hear(self, headers: Mapping[str, str]) -> None:
        date = date_of(headers)
        if date is None:
            log.info("an answer of GitHub's has no date: its time goes on as last heard")
        else:
            self._ahead = date.timestamp() - self._clock()

    def refusal(self, status: int, headers: Mapping[str, str], content: Any, what: str) -> BackfillError:
        """Returns the error for an answer that is not a success. `what` says in the error's message what was requested.
        The error is `PartOver` if GitHub refuses the request but accepts the App.
        """
        refusal = of_http(status, headers, content)
        if refusal.kind == "limited":
            at = datetime.now(UTC) + timedelta(seconds=max(refusal.wait or LIMIT_WAIT, 1.0))
            return RetryLater("rate_limited", f"GitHub limits the App ({what})", at)
        if status == 401:
            return _not_accepted(status, refusal.words)
        if refusal.kind in ("failed", "too_large"):
            return RetryNow(refusal.code, f"GitHub failed at {what} ({status}): {refusal.words}")
        return PartOver(
            "forbidden",
            f"GitHub refuses {what} ({status}): {refusal.words}",
            "install the App for this owner, or unsuspend it",
        )


class _Shared(Generic[T]):
    """A value that several callers may need at the same time. The value is made once, and all these callers get the
    same result or the same error.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._make = make
        self._task: asyncio.Task[T] | None = None

    async def done(self) -> T:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._make())
        # If one caller is canceled, the others still get the value.
        return await asyncio.shield(self._task)


def _not_accepted(status: int, message: str) -> JobOver:
    return JobOver(
        "unauthorized",
        f"GitHub does not accept the App ({status}): {message}",
        "check GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY",
    )
