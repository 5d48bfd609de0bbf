"""`contributors`: everyone who wrote, reviewed, merged or closed something. A person is identified by GitHub's id,
never by the login.

A login is unique in the table, but not on GitHub: a mannequin has the login of a user, and two Copilot accounts share a
login. One account may also have several logins, because REST and GraphQL name some bots differently. These rules keep
rows stable and let no write fail:

- REST adds people but changes nobody, because its names and avatar addresses differ from GraphQL's.

- The avatar, profile and bot flag of a row come from an answer that showed the account with the row's login.

- The first answer that shows an account with a new login decides whether the account gets that login. An account that
does not get a login, or loses it later, cannot get the same login for a week (`DECIDED_FOR`). So a real change is
stored at once, and two logins that one account uses at the same time do not alternate.

- The owner of a login is a user, an organization, or a bot under its GraphQL name. The owner takes the login from any
other account. The other account keeps the login only if it owns the login, too, and the same page shows it with the
login. An account that does not own a login gets the login only if no other account has it.

- An account that has no login in the table is named `renamed-{id}`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from asyncpg import Record

from errors import RetryNow
from rows import Contributor
from store.database import Connection, Database

DECIDED_FOR = timedelta(days=7)
"""How long an account that lost a login, or did not get it, cannot get it by being seen again."""

# One writer of names at a time. A transaction that holds it changes the login of one row at most, and waits for nothing
# behind that. So nobody waits in a circle: a page that refers to people locks their rows until it is stored.
_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtextextended('contributors', 0))"

_KNOWN = """
select github_id, username, avatar_url, profile_url, is_bot, former_usernames from contributors
where github_id = any($1::bigint[])
"""

_HOLDERS = "select username, github_id from contributors where username = any($1::text[])"

# `renamed-{id}`, or with a number behind it where somebody is really called so.
_NAMELESS = """
  (select name from (
     select case n when 0 then 'renamed-' || {id} else 'renamed-' || {id} || '-' || n end as name, n
     from generate_series(0, 100) n) names
   where not exists (select from contributors held where held.username = names.name)
   order by n limit 1)
"""

_ADD = f"""
insert into contributors (github_id, username, avatar_url, profile_url, is_bot, former_usernames)
select u.github_id, coalesce(u.username, {_NAMELESS.format(id="u.github_id")}), u.avatar_url, u.profile_url, u.is_bot,
  case when u.refused is not null then jsonb_build_object(u.refused, $1::timestamptz) end
from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[])
  as u(github_id, username, avatar_url, profile_url, is_bot, refused)
order by 1
on conflict do nothing returning github_id
"""

_DESCRIBE = """
update contributors c set avatar_url = u.avatar_url, profile_url = u.profile_url, is_bot = u.is_bot
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::boolean[])
  as u(github_id, username, avatar_url, profile_url, is_bot)
where c.github_id = u.github_id and c.username = u.username
"""

_REMEMBER = """
update contributors c
set former_usernames = coalesce(former_usernames, '{}') || jsonb_build_object(u.username, $1::timestamptz)
from unnest($2::bigint[], $3::text[]) as u(github_id, username) where c.github_id = u.github_id
"""

_FREE = f"""
update contributors c
set username = {_NAMELESS.format(id="c.github_id")},
  former_usernames = coalesce(former_usernames, '{{}}') || jsonb_build_object(c.username, $3::timestamptz)
where github_id = $1 and username = $2
"""

_RENAME = """
update contributors c
set username = $3, avatar_url = $4, profile_url = $5, is_bot = $6,
  former_usernames = coalesce(former_usernames, '{}') || jsonb_build_object(c.username, $7::timestamptz)
where github_id = $1 and username = $2
"""

_MOST_STEPS = 5
"""Most transactions for one login: its holder loses it, the new one takes it, and again after a concurrent change."""


class _Known(NamedTuple):
    username: str
    avatar_url: str | None
    profile_url: str | None
    is_bot: bool | None
    decided: Mapping[str, datetime]
    """Logins that the account lost or did not get, with the time."""


async def write(database: Database, contributors: Iterable[Contributor], seen_at: datetime) -> None:
    """Adds people, and corrects stored people, in transactions of its own. This has to be done before the page that
    names the people is stored.

    `seen_at` is the moment of GitHub's answer. Only the owner of a login takes the login from another account. Raises
    `RetryNow` if another process adds the same people at the same moment.
    """
    people = sorted(contributors)
    if not people:
        return
    async with database.transaction() as connection:
        known = await _known(connection, people)
    changed = [each for each in people if _is_news(each, known.get(each.github_id), seen_at)]
    if not changed:
        return
    # Two who are seen with one login on one page are both alive: it stays with the owner who holds it.
    keepers = {
        each.username
        for each in people
        if each.owns_login and each.github_id in known and known[each.github_id].username == each.username
    }
    async with database.transaction() as connection:
        await connection.execute(_ONE_AT_A_TIME)
        known = await _known(connection, changed)
        changed = [each for each in changed if _is_news(each, known.get(each.github_id), seen_at)]
        held = await _held(connection, {each.username for each in changed})
        takes = _takes(changed, known, held, keepers)
        await _add(connection, [each for each in changed if each.github_id not in known], held, takes, seen_at)
        await _correct(connection, [each for each in changed if each.github_id in known], known, takes, seen_at)
    for each in changed:
        if each.github_id in takes:
            await _take(database, each, seen_at)


async def _known(connection: Connection, people: Sequence[Contributor]) -> dict[int, _Known]:
    rows = await connection.fetch(_KNOWN, [each.github_id for each in people])
    return {row["github_id"]: _as_known(row) for row in rows}


def _as_known(row: Record) -> _Known:
    decided = {name: datetime.fromisoformat(at) for name, at in (row["former_usernames"] or {}).items()}
    return _Known(row["username"], row["avatar_url"], row["profile_url"], row["is_bot"], decided)


async def _held(connection: Connection, usernames: Iterable[str]) -> dict[str, int]:
    rows = await connection.fetch(_HOLDERS, sorted(usernames))
    return {row["username"]: row["github_id"] for row in rows}


def _is_news(person: Contributor, known: _Known | None, seen_at: datetime) -> bool:
    """Returns whether an answer's data about a person may have to be written. `known` is the person's stored row, or
    None if the person is not stored.
    """
    if known is None:
        return True
    if person.source == "rest":
        return False
    if person.username == known.username:
        return (person.avatar_url, person.profile_url, person.is_bot) != known[1:4]
    decided = known.decided.get(person.username)
    return decided is None or seen_at - decided > DECIDED_FOR


def _takes(
    changed: Sequence[Contributor],
    known: Mapping[int, _Known],
    held: Mapping[str, int],
    keepers: set[str],
) -> set[int]:
    """Returns the GitHub ids of the people who get the login that an answer shows for them. Each login goes to one
    person at most.
    """
    takers: dict[str, Contributor] = {}
    for each in changed:
        its = known.get(each.github_id)
        if its is not None and its.username == each.username:
            continue
        if each.username in held and (not each.owns_login or each.username in keepers):
            continue
        # Of two owners the later account: an earlier one has given the login up.
        other = takers.get(each.username)
        if other is None or each.owns_login:
            takers[each.username] = each
    return {each.github_id for each in takers.values()}


async def _add(
    connection: Connection, people: Sequence[Contributor], held: Mapping[str, int], takes: set[int], seen_at: datetime
) -> None:
    named: list[Sequence[Any]] = []
    nameless: list[Sequence[Any]] = []
    for each in people:
        takes_it = each.github_id in takes
        refused = each.username if not takes_it and each.source == "graphql" else None
        at_once = takes_it and each.username not in held
        row = (each.github_id, each.username if at_once else None, *each[2:5], refused)
        (named if at_once else nameless).append(row)
    # One after the other: who is nameless is not called what somebody is called from now on.
    for rows in (named, nameless):
        if rows and len(await connection.fetch(_ADD, seen_at, *_columns(rows))) < len(rows):
            raise RetryNow("contributors", "somebody else added the same people, or their logins, at the same time")


async def _correct(
    connection: Connection,
    people: Sequence[Contributor],
    known: Mapping[int, _Known],
    takes: set[int],
    seen_at: datetime,
) -> None:
    described = [each[:5] for each in people if known[each.github_id].username == each.username]
    refused = [
        each[:2] for each in people if known[each.github_id].username != each.username and each.github_id not in takes
    ]
    if described:
        await connection.execute(_DESCRIBE, *_columns(described))
    if refused:
        await connection.execute(_REMEMBER, seen_at, *_columns(refused))


async def _take(database: Database, person: Contributor, seen_at: datetime) -> None:
    """Gives a person the login that an answer showed, in several transactions. If the process dies between two
    transactions, the next call continues.
    """
    for _ in range(_MOST_STEPS):
        async with database.transaction() as connection:
            await connection.execute(_ONE_AT_A_TIME)
            its = (await _known(connection, [person])).get(person.github_id)
            if its is None or not _is_news(person, its, seen_at):
                return
            if its.username == person.username:
                await connection.execute(_DESCRIBE, *_columns([person[:5]]))
                return
            holder = (await _held(connection, [person.username])).get(person.username)
            if holder is not None:
                await connection.execute(_FREE, holder, person.username, seen_at)
                continue
            await connection.execute(
                _RENAME,
                person.github_id,
                its.username,
                person.username,
                person.avatar_url,
                person.profile_url,
                person.is_bot,
                seen_at,
            )
            return
    async with database.transaction() as connection:
        await connection.execute(_ONE_AT_A_TIME)
        await connection.execute(_REMEMBER, seen_at, [person.github_id], [person.username])


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
