"""Sends a purchase to the running webhook server, as Polar does."""

from typing import Any

import aiohttp

from sandbox.github.world.repositories import Repository
from tests.support import shop


async def send(url: str, payload: Any, webhook_id: str | None = None) -> int:
    """Sends a signed delivery; returns the HTTP status."""
    body, headers = shop.signed(payload, webhook_id=webhook_id)
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/webhooks/polar", data=body, headers=headers) as response,
    ):
        return response.status


async def add(connection: Any, workspace_id: str, repository: Repository) -> None:
    """Adds the repository to the workspace, under its own id, as the host does."""
    await connection.execute(
        """
        with listed as (
            insert into repositories (github_id, owner, name, full_name) values ($2, $3, $4, $5)
            on conflict (github_id) do update set name = excluded.name returning id
        )
        insert into workspace_repositories (workspace_id, repository_id, added_by)
        select workspaces.id, listed.id, owner_id from workspaces, listed where workspaces.id = $1
        """,
        workspace_id,
        repository.database_id,
        repository.owner.login,
        repository.name,
        repository.name_with_owner,
    )
