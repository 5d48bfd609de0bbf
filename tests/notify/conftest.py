"""A workspace whose jobs begin and end as workflows record it, and the outbox that this fills."""

from collections.abc import AsyncIterator

import pytest

from messages import (
    RepositoryRef,
)
from store.database import Database
from tests.support import shop
from tests.support.notify.mailbox import MailServer
from tests.support.notify.messages import ADDRESS
from tests.support.notify.receiver import Receiver
from tests.support.notify.world import World


@pytest.fixture
async def world(module_database: str) -> AsyncIterator[World]:
    async with Database(module_database, size=6) as database, shop.emptied(module_database) as host:
        owner = await shop.buyer(host)
        await host.execute("update app_users set email = $1", ADDRESS)
        workspace_id = await shop.workspace(host, owner, "octo/a", "octo/b", slug="acme")
        await host.execute(
            "insert into workspace_members (workspace_id, user_id, role) values ($1, $2, 'owner')",
            workspace_id,
            owner.app_user_id,
        )
        rows = await host.fetch("select id::text, github_id, full_name from repositories order by full_name")
        repositories = [
            RepositoryRef(repository_id=row["id"], github_id=row["github_id"], full_name=row["full_name"])
            for row in rows
        ]
        yield World(module_database, database, host, workspace_id, repositories)


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver
