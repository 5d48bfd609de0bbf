"""Who is who: by GitHub's id alone, whatever an answer calls them and whoever asks at the same time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rows import Contributor
from sandbox.postgres import Postgres
from store import contributors
from store.database import Database
from tests.support.shop import database as of_module
from tests.support.thoroughness import examples

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
WEEK = timedelta(days=7, seconds=1)


def person(
    github_id: int,
    username: str,
    *,
    kind: Literal["User", "Mannequin", "Bot"] = "User",
    source: Literal["graphql", "rest"] = "graphql",
    picture: str = "",
) -> Contributor:
    avatar = f"https://avatars/{github_id}{picture or ('?v=4' if source == 'rest' else '?u=1')}"
    owns = kind == "User" or (kind == "Bot" and source == "graphql")
    return Contributor(github_id, username, avatar, f"https://github.com/{username}", kind == "Bot", owns, source)


@pytest.fixture
async def opened(database: str) -> AsyncIterator[Database]:
    async with Database(database, size=4) as opened:
        yield opened


async def names(opened: Database) -> dict[int, str]:
    async with opened.transaction() as connection:
        rows = await connection.fetch("select github_id, username from contributors")
    return {row["github_id"]: row["username"] for row in rows}


async def all_of(opened: Database) -> list[asyncpg.Record]:
    async with opened.transaction() as connection:
        return await connection.fetch("select xmin::text, * from contributors order by github_id")


async def write(opened: Database, *people: Contributor, at: datetime = NOW) -> None:
    await contributors.write(opened, people, at)


async def test_a_mannequin_that_bears_a_users_login_takes_it_from_nobody(opened: Database) -> None:
    user, mannequin = person(1, "ann"), person(2, "ann", kind="Mannequin")
    await write(opened, user, mannequin)
    assert await names(opened) == {1: "ann", 2: "renamed-2"}
    before = await all_of(opened)
    for page in ([mannequin], [user], [mannequin, user]):
        await write(opened, *page)
    assert await all_of(opened) == before


async def test_a_user_takes_the_login_that_a_mannequin_holds(opened: Database) -> None:
    await write(opened, person(2, "ann", kind="Mannequin"))
    await write(opened, person(1, "ann"), person(2, "ann", kind="Mannequin"))
    assert await names(opened) == {1: "ann", 2: "renamed-2"}


async def test_two_bots_of_one_login_in_rest_are_two_rows(opened: Database) -> None:
    """Copilot that reviews, and Copilot that writes code."""
    reviewer = person(175728472, "Copilot", kind="Bot", source="rest")
    coder = person(198982749, "Copilot", kind="Bot", source="rest")
    await write(opened, reviewer, coder)
    assert await names(opened) == {175728472: "Copilot", 198982749: "renamed-198982749"}
    named = [
        person(175728472, "copilot-pull-request-reviewer[bot]", kind="Bot"),
        person(198982749, "copilot-swe-agent[bot]", kind="Bot"),
    ]
    await write(opened, *named)
    before = await all_of(opened)
    assert await names(opened) == {each.github_id: each.username for each in named}
    await write(opened, coder, reviewer)
    assert await all_of(opened) == before, "what GraphQL said first stands"


async def test_rest_changes_nothing_of_whom_it_did_not_add(opened: Database) -> None:
    await write(opened, person(1, "ann", picture="?u=1&v=4"))
    before = await all_of(opened)
    await write(opened, person(1, "ann", source="rest", picture="?v=4"), at=NOW + WEEK)
    await write(opened, person(1, "annabel", source="rest"), at=NOW + WEEK)
    assert await all_of(opened) == before


async def test_a_renamed_account_takes_its_new_login_and_picture(opened: Database) -> None:
    await write(opened, person(1, "ann"))
    await write(opened, person(1, "annabel", picture="?new"), at=NOW + timedelta(minutes=1))
    [row] = await all_of(opened)
    assert (row["username"], row["avatar_url"]) == ("annabel", "https://avatars/1?new")
    assert row["profile_url"] == "https://github.com/annabel"


async def test_who_has_but_a_new_picture_keeps_nobody_from_a_new_login(opened: Database) -> None:
    await write(opened, person(1, "ann"), person(2, "bob"))
    await write(opened, person(1, "ann", picture="?new"), person(2, "robert"), at=NOW + timedelta(minutes=1))
    assert await names(opened) == {1: "ann", 2: "robert"}


async def test_two_logins_of_one_account_that_are_seen_in_turn_change_its_row_once(opened: Database) -> None:
    await write(opened, person(1, "ann"))
    await write(opened, person(1, "annabel"))
    before = await all_of(opened)
    for name in ("ann", "annabel", "ann"):
        await write(opened, person(1, name), at=NOW + timedelta(hours=1))
    assert await all_of(opened) == before


async def test_who_returns_to_a_former_login_has_it_again_a_week_later(opened: Database) -> None:
    await write(opened, person(1, "ann"))
    await write(opened, person(1, "annabel"))
    await write(opened, person(1, "ann"), at=NOW + WEEK)
    assert await names(opened) == {1: "ann"}


async def test_a_login_that_passed_on_is_freed_and_does_not_flip(opened: Database) -> None:
    await write(opened, person(1, "ann"))
    await write(opened, person(2, "ann"))
    assert await names(opened) == {1: "renamed-1", 2: "ann"}
    await write(opened, person(1, "ann"))
    assert await names(opened) == {1: "renamed-1", 2: "ann"}, "an answer from before, or a cache"
    await write(opened, person(1, "annabel"))
    assert await names(opened) == {1: "annabel", 2: "ann"}


async def test_two_users_of_one_login_on_one_page_leave_it_with_its_holder(opened: Database) -> None:
    await write(opened, person(1, "ann"))
    before = await all_of(opened)
    await write(opened, person(1, "ann"), person(2, "ann"))
    assert (await all_of(opened))[:1] == before
    assert (await names(opened))[2] == "renamed-2"


async def test_accounts_that_swap_their_logins_have_them_after_one_page(opened: Database) -> None:
    await write(opened, person(1, "ann"), person(2, "bob"))
    await write(opened, person(1, "bob"), person(2, "ann"))
    assert await names(opened) == {1: "bob", 2: "ann"}


async def test_somebody_who_is_really_called_like_a_nameless_one(opened: Database) -> None:
    await write(opened, person(1, "ann"), person(3, "renamed-1"), person(4, "renamed-1-1"))
    await write(opened, person(2, "ann"))
    assert await names(opened) == {1: "renamed-1-2", 2: "ann", 3: "renamed-1", 4: "renamed-1-1"}


async def test_a_page_that_is_stored_meanwhile_and_a_renaming_never_wait_for_each_other(opened: Database) -> None:
    """A page refers to ann and then to bob; ann and bob swap names between the two."""
    await write(opened, person(1, "ann"), person(2, "bob"))
    insert = (
        "insert into pull_requests (github_id, repository_full_name, number, title, state, base_branch, head_branch,"
        " created_at, updated_at, author_id) select $1, 'o/n', 1, 't', 'open', 'a', 'b', now(), now(), id"
        " from contributors where github_id = $1"
    )
    async with opened.transaction() as page:
        await page.execute(insert, 1)
        swap = asyncio.create_task(write(opened, person(1, "bob"), person(2, "ann")))
        await waiting(opened)
        await page.execute(insert, 2)
    await swap
    assert await names(opened) == {1: "bob", 2: "ann"}


async def waiting(opened: Database) -> None:
    """Until somebody waits for a row."""
    while True:
        async with opened.transaction() as connection:
            if await connection.fetchval("select exists (select from pg_locks where not granted)"):
                return
        await asyncio.sleep(0.01)


# --- Whoever, in whatever order

LOGINS = ("ann", "bob", "Copilot", "renamed-1", "renamed-2")
KINDS: dict[int, Literal["User", "Mannequin", "Bot"]] = {1: "User", 2: "User", 3: "Mannequin", 4: "Bot", 5: "Bot"}
PEOPLE = st.builds(
    lambda number, login, source: person(number, login, kind=KINDS[number], source=source),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(LOGINS),
    st.sampled_from(("graphql", "rest")),
).filter(lambda each: each.username != f"renamed-{each.github_id}")
PAGES = st.lists(st.lists(PEOPLE, min_size=1, max_size=5, unique_by=lambda each: each.github_id), max_size=6)


@pytest.fixture(scope="module")
async def workers(postgres: Postgres, migrated_template: str) -> AsyncIterator[tuple[Database, Database]]:
    async with (
        of_module(postgres, migrated_template) as dsn,
        Database(dsn, size=2) as one,
        Database(dsn, size=2) as other,
    ):
        yield one, other


@settings(max_examples=examples(10, 200))
@given(pages=PAGES, others=PAGES)
async def test_in_any_order_no_page_fails_and_a_second_pass_changes_no_row(
    workers: tuple[Database, Database], pages: list[list[Contributor]], others: list[list[Contributor]]
) -> None:
    one, other = workers
    async with one.transaction() as connection:
        await connection.execute("delete from contributors")

    async def read(opened: Database, of: Sequence[Sequence[Contributor]]) -> None:
        for page in of:
            await write(opened, *page)

    await asyncio.gather(read(one, pages), read(other, others))
    everybody = [each for page in (*pages, *others) for each in page]
    found = await names(one)
    assert found.keys() == {each.github_id for each in everybody}
    assert len({*found.values()}) == len(found)
    said = {(each.github_id, each.username) for each in everybody}
    assert all((number, name) in said or name.startswith(f"renamed-{number}") for number, name in found.items())
    before = await all_of(one)
    await read(one, [*pages, *others])
    assert await all_of(one) == before
