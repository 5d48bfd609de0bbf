"""Checks each credential: whether GitHub accepts it, which account and rights it has, and its remaining budgets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import aiohttp

from budget.account import Ask
from errors import BackfillError, PartOver, RetryNow
from github.answers.reading import Raw, all_windows, read_graphql, read_rest, windows_of
from github.answers.refusals import Limited, Unauthorized
from github.clock import date_of
from github.transport.connection import Connection
from github.transport.credentials import App, Token

NEEDED = ("contents", "discussions", "issues", "metadata", "pull_requests")
"""Permissions that a GitHub App needs, each to read."""


@dataclass(frozen=True)
class Budget:
    """An account's hourly budget at GitHub."""

    limit: int
    left: int
    resets_at: datetime


@dataclass(frozen=True)
class Health:
    """The result of checking one credential. If the credential cannot be used, `error` says why, and most other fields
    are unset.
    """

    credential: str
    login: str = ""
    scopes: frozenset[str] | None = None
    """Scopes of a classic token; None for other credentials."""
    lacks: tuple[str, ...] = ()
    """Permissions that an installation needs and lacks."""
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    """Budgets by API: graphql, core (REST)."""
    ahead: timedelta | None = None
    """How far GitHub's clock is ahead of ours."""
    error: BackfillError | None = None


async def examine(api_url: str, graphql_url: str, tokens: tuple[str, ...], app: tuple[str, str] | None) -> list[Health]:
    """Checks every token by a GraphQL request of one point and a REST request. Also lists the installations of the App.
    `app` is the App's id and private key, or None.
    """
    found: list[Health] = []
    async with Connection(api_url, graphql_url) as connection, aiohttp.ClientSession() as session:
        for place, token in enumerate(tokens, 1):
            label = Token(token, f"token {place} of {len(tokens)}").label
            found.append(await _of_token(connection, label, token))
        if app is not None:
            found += await _of_app(App(session, api_url, *app))
    return found


async def _of_token(connection: Connection, label: str, secret: str) -> Health:
    budgets: dict[str, Budget] = {}
    try:
        raw = await connection.user(secret)
        login = read_rest(Ask("core", "user"), raw, connection.api_url).data["login"]
        _hear(budgets, "core", windows_of(raw.headers))
        graphql = await connection.viewer(secret)
        _hear(budgets, "graphql", all_windows(graphql, read_graphql(Ask("graphql", "Viewer"), graphql)))
    except Unauthorized:
        why = PartOver("unauthorized", "GitHub does not accept it (401)", "put a valid token into GITHUB_TOKENS")
        return Health(label, error=why)
    except Limited as error:
        wait = f"for {error.wait:.0f} s" if error.wait else "for now"
        return Health(label, error=RetryNow("rate_limited", f"GitHub limits it {wait}", "wait until its budget resets"))
    except BackfillError as error:
        return Health(label, error=error)
    return Health(label, login, _scopes(raw), budgets=budgets, ahead=_ahead(raw))


async def _of_app(app: App) -> list[Health]:
    try:
        return [
            Health(
                f"installation of {(each.get('account') or {}).get('login', 'an enterprise')}",
                lacks=tuple(name for name in NEEDED if name not in each.get("permissions", {})),
                error=PartOver("suspended", "it is suspended", "unsuspend it at GitHub")
                if each.get("suspended_at")
                else None,
            )
            async for each in app.listed()
        ]
    except BackfillError as error:
        return [Health("GitHub App", error=error)]


def _scopes(raw: Raw) -> frozenset[str] | None:
    words = raw.headers.get("X-OAuth-Scopes")
    return None if words is None else frozenset(filter(None, (each.strip() for each in words.split(","))))


def _hear(budgets: dict[str, Budget], api: str, windows: tuple[tuple[int, int, float], ...]) -> None:
    for limit, used, wait in windows:
        budgets[api] = Budget(limit, max(limit - used, 0), datetime.now(UTC) + timedelta(seconds=wait))


def _ahead(raw: Raw) -> timedelta | None:
    date = date_of(raw.headers)
    return date - datetime.now(UTC) if date else None
