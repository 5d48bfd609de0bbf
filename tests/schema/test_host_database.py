"""`migrate` on a database as the host's production has it."""

import asyncio

import asyncpg
import pytest

from errors import BadInput
from schema.migrate import migrate
from tests.support.schema import catalog, contract
from tests.support.schema.databases import Open

RELAXED = {
    "contributors_username_check": "dependabot[bot]",
    "pull_requests_body_check": "a body of 300,000 characters",
    "pull_requests_check": "updated_at before created_at",
    "pull_requests_check1": "merged_at after closed_at",
    "reviews_body_check": "a body of 300,000 characters",
    "comments_body_check": "an empty body",
    "comments_check1": "a review comment whose position is null",
    "comments_diff_hunk_check": "a diff_hunk of 300,000 characters",
    "notifications_status_check": "the status 'started'",
}

# What GitHub really sends and the host's rules refuse, a statement each.
REAL = [
    "insert into contributors (github_id, username) values (49699333, 'dependabot[bot]'), (50, 'name_company')",
    "update pull_requests set body = repeat('x', 60000)",
    "update pull_requests set created_at = '2025-01-03'",
    "update pull_requests set state = 'merged', closed_at = '2025-01-04', merged_at = '2025-01-05'",
    "update reviews set body = repeat('x', 60000)",
    "update comments set body = repeat('x', 60000)",
    "update comments set body = ''",
    """
    insert into comments (
      github_id, comment_type, body, pull_request_id, repository_id, position, diff_hunk, created_at, updated_at
    )
    select 14, 'review_comment', 'outdated', id, repository_id, null, repeat('x', 60000), now(), now()
    from pull_requests
    """,
    "update issues set body = repeat('x', 60000)",
    "update discussions set body = repeat('x', 60000)",
    "insert into notifications (operation_id, operation_type, status, title) values ('1', 'backfill', 'started', 'T')",
    "insert into subscription_addons (addon_type, polar_subscription_id) values ('extended_data_retention', 'sub_1')",
]

# What the host's rules refuse rightly, and must go on refusing.
WRONG = [
    "update comments set comment_type = 'remark'",
    "update comments set pull_request_id = (select id from pull_requests)",
    "update pull_requests set state = 'draft'",
    "update notifications set status = 'pending'",
    "update notifications set operation_type = 'other thing'",
    "update reviews set state = 'LIKED'",
]


async def test_rows_stay_as_they_are_and_no_table_is_rewritten(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    before = await catalog.versions(connection)
    without_rows = {table for table, (_, rows) in before.items() if not rows}
    assert all(table.startswith("github_events_cache_2025") for table in without_rows)
    await migrate(host_database, report=lambda _: None)
    after = await catalog.versions(connection)
    assert {table: after[table] for table in before} == before


async def test_nothing_of_the_host_is_lost(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    before = set(await catalog.shape(connection))
    await migrate(host_database, report=lambda _: None)
    gone = {" ".join(line.split()[:3]) for line in before - set(await catalog.shape(connection))}
    assert {line for line in gone if not line.startswith("constraint")} == {
        "relation subscription_addons r",  # described
        "column subscription_addons 6",  # subscription_id, described
        "column subscription_addons 4",  # price_per_unit, no longer not null
    }
    constraints = {line.split()[2] for line in gone if line.startswith("constraint")}
    # Since version 18 Postgres keeps not null as a constraint too.
    assert constraints - {"subscription_addons_price_per_unit_not_null"} == set(RELAXED)


async def test_it_has_every_table_column_and_key_of_the_contract(host_database: str, connect: Open) -> None:
    await migrate(host_database, report=lambda _: None)
    connection = await connect(host_database)
    found = await catalog.columns(connection)
    for table, columns in contract.tables().items():
        assert columns.items() <= found.get(table, {}).items(), table
    assert contract.keys() <= await catalog.keys(connection)


async def test_every_relaxed_constraint_is_named_with_what_it_refuses(host_database: str) -> None:
    lines: list[str] = []
    await migrate(host_database, report=lines.append)
    relaxed = {line.split()[1]: line for line in lines if line.startswith("relaxed ")}
    assert relaxed.keys() == {*RELAXED, "subscription_addons.price_per_unit,"}
    for name, refuses in RELAXED.items():
        assert refuses in relaxed[name]


async def test_what_github_sends_is_accepted_and_what_is_wrong_still_refused(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    refused = []
    for statement in REAL:
        try:
            async with connection.transaction():
                await connection.execute(statement)
        except (asyncpg.CheckViolationError, asyncpg.UndefinedColumnError):
            refused.append(statement)
    assert len(refused) >= len(REAL) - 3, "these statements are meant to need the migration"
    await migrate(host_database, report=lambda _: None)
    for statement in REAL:
        await connection.execute(statement)
    for statement in WRONG:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(statement)


async def test_constraints_are_found_by_what_they_check(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    await connection.execute(
        """
        alter table pull_requests rename constraint pull_requests_check to alpha;
        alter table pull_requests add constraint beta check (char_length(title) > 0 and octet_length(body) < 20000);
        alter table pull_requests add constraint gamma check (number > 0 and additions >= 0);
        alter table comments add constraint delta check (created_at <= updated_at);
        alter table comments add constraint epsilon check (btrim(body) <> '');
        alter table issues add constraint zeta check (closed_at >= created_at) not valid;
        alter table pull_requests add constraint omega check (is_spam is not null) not valid;
        """
    )
    lines: list[str] = []
    await migrate(host_database, report=lines.append)
    names = {line.split()[1] for line in lines if line.startswith("relaxed ")}
    assert {"alpha", "beta", "delta", "epsilon", "zeta"} <= names
    assert not {"gamma", "omega"} & names, "what they refuse has nothing to do with GitHub"
    with pytest.raises(asyncpg.CheckViolationError, match="gamma"):
        await connection.execute("update pull_requests set number = 0")


async def test_a_second_run_changes_nothing(host_database: str, connect: Open) -> None:
    await migrate(host_database, report=lambda _: None)
    connection = await connect(host_database)
    before = await catalog.shape(connection), await catalog.versions(connection)
    lines: list[str] = []
    await migrate(host_database, report=lines.append)
    assert [line.split()[0] for line in lines] == ["kept", "nothing"]
    assert (await catalog.shape(connection), await catalog.versions(connection)) == before


async def test_the_hosts_key_of_comments_is_kept_until_it_may_go(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    old, new = ("comments", frozenset({"github_id"})), ("comments", frozenset({"comment_type", "github_id"}))
    lines: list[str] = []
    await migrate(host_database, report=lines.append)
    assert any(line.startswith("kept comments_github_id_key of comments, unique (github_id)") for line in lines)
    assert {old, new} <= await catalog.keys(connection)
    lines.clear()
    await migrate(host_database, replace_host_keys=True, report=lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("dropped comments_github_id_key of comments")
    assert (await catalog.keys(connection)) & {old, new} == {new}
    lines.clear()
    await migrate(host_database, replace_host_keys=True, report=lines.append)
    assert lines == ["nothing to do"]


async def test_the_hosts_key_goes_in_the_first_run_too_also_as_a_bare_index(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    await connection.execute("alter table comments drop constraint comments_github_id_key")
    await connection.execute("create unique index lookup on comments (github_id)")
    lines: list[str] = []
    await migrate(host_database, replace_host_keys=True, report=lines.append)
    made = lines.index("created index comments_comment_type_github_id_key on comments")
    assert made < next(number for number, line in enumerate(lines) if line.startswith("dropped lookup of comments"))
    await connection.execute(
        """
        insert into comments (
          github_id, comment_type, body, pull_request_id, repository_id, position, created_at, updated_at
        )
        select 9, 'review_comment', 'the same number as a conversation comment', id, repository_id, 1, now(), now()
        from pull_requests
        """
    )


async def test_a_key_that_others_refer_to_is_not_torn_away(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    await connection.execute("create table votes (comment_id bigint references comments (github_id))")
    with pytest.raises(BadInput, match=r"comments: cannot drop constraint comments_github_id_key .* table votes"):
        await migrate(host_database, replace_host_keys=True, report=lambda _: None)


async def test_an_older_addon_gains_what_it_lacks_and_grants_nothing(host_database: str, connect: Open) -> None:
    await migrate(host_database, report=lambda _: None)
    connection = await connect(host_database)
    row = await connection.fetchrow("select * from subscription_addons")
    assert row is not None
    assert (row["addon_type"], row["quantity"], row["status"], row["metadata"]) == (
        "extra_repositories",
        5,
        "inactive",
        "{}",
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("update subscription_addons set status = 'bought'")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(
            "insert into subscription_addons (addon_type, subscription_id) "
            "select addon_type, subscription_id from subscription_addons"
        )


async def test_what_an_addon_has_already_is_left_as_it_is(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    await connection.execute(
        """
        alter table subscription_addons add column status text not null default 'active',
          add column stripe_item text not null default '', add column retention_days bigint default 0
        """
    )
    await migrate(host_database, report=lambda _: None)
    # The rule that days are more than 0 is for what is written from now on.
    row = await connection.fetchrow("select status, stripe_item, retention_days from subscription_addons")
    assert row is not None
    assert tuple(row) == ("active", "", 0)


async def test_a_state_that_the_host_does_not_know_stays_unknown_and_can_be_asked_for(
    host_database: str, connect: Open
) -> None:
    connection = await connect(host_database)
    await connection.execute("alter table pull_requests drop constraint pull_requests_state_check")
    rules = {
        "state in ('open', 'closed')": False,
        "state = 'open' or state = 'closed'": False,
        "(state = 'closed') = (closed_at is not null)": False,
        "state in ('open', 'closed', 'merged')": True,
        "(state = 'open') = (closed_at is null)": True,
        "mergeable_state <> 'closed'": True,
    }
    for rule, knows in rules.items():
        await connection.execute(f"alter table pull_requests add constraint known check ({rule})")
        lines: list[str] = []
        await migrate(host_database, report=lines.append)
        assert not any("known of pull_requests" in line for line in lines)
        assert await connection.fetchval("select pull_requests_state_knows_merged()") is knows, rule
        merged = "update pull_requests set state = 'merged', closed_at = now(), merged_at = now()"
        if knows:
            await connection.execute(merged)
        else:
            with pytest.raises(asyncpg.CheckViolationError, match="known"):
                await connection.execute(merged)
        await connection.execute("alter table pull_requests drop constraint known")
        await connection.execute("update pull_requests set state = 'open', closed_at = null, merged_at = null")


async def test_the_hosts_own_indexes_are_used_where_they_serve(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    await connection.execute(
        """
        create index recent on pull_requests (repository_id, updated_at desc, number);
        create index threads on comments (in_reply_to_id);
        create index old on issues (repository_id, updated_at) where state = 'closed';
        alter table contributors drop constraint contributors_username_key;
        create index names on contributors (username);
        create unique index caseless on contributors (lower(username));
        create unique index bots on contributors (username) where is_bot;
        """
    )
    lines: list[str] = []
    await migrate(host_database, report=lines.append)
    assert not any("pull_requests_sweep" in line or "comments_in_reply_to" in line for line in lines)
    assert "created index issues_sweep on issues" in lines
    assert "created index contributors_username_key on contributors" in lines


async def test_the_feeds_partitions_get_their_index_one_by_one(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    await connection.execute("drop index github_events_cache_event_id_created_at_idx")
    lines: list[str] = []
    await migrate(host_database, report=lines.append)
    for index in ("github_events_cache_event", "github_events_cache_moment", "github_events_cache_identity"):
        built = [line for line in lines if line.startswith("created index") and line.split()[2].endswith(index[19:])]
        assert len(built) == 6, index
        assert built[-1] == f"created index {index} on github_events_cache"
    assert ("github_events_cache", frozenset({"event_id", "created_at"})) in await catalog.keys(connection)
    again: list[str] = []
    await migrate(host_database, report=again.append)
    assert again[-1] == "nothing to do"


async def test_two_at_once_wait_for_each_other(host_database: str) -> None:
    reports: list[list[str]] = [[], []]
    await asyncio.gather(*(migrate(host_database, report=report.append) for report in reports))
    shorter, longer = sorted(reports, key=len)
    assert shorter[0] == "another migration runs: waiting for its end"
    assert shorter[-1] == "nothing to do"
    assert "created index comments_comment_type_github_id_key on comments" in longer


async def test_an_index_for_the_nearest_vectors_is_made_unless_the_host_has_one(
    host_database: str, connect: Open
) -> None:
    connection = await connect(host_database)
    await connection.execute(
        """
        create index meaning on pull_requests using hnsw (embedding vector_cosine_ops) with (m = 24);
        create index distance on issues using hnsw (embedding vector_l2_ops);
        create index few on discussions using hnsw (embedding vector_cosine_ops) where number > 5
        """
    )
    lines: list[str] = []
    await migrate(host_database, report=lines.append)
    assert [line for line in lines if "_embedding" in line] == [
        "created index issues_embedding on issues",
        "created index discussions_embedding on discussions",
    ]
    again: list[str] = []
    await migrate(host_database, report=again.append)
    assert again[-1] == "nothing to do"
