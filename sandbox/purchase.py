"""Plays the host application and Polar in the demo. It creates a workspace with repositories, and buys the add-on."""

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import asyncpg
from standardwebhooks.webhooks import Webhook

from errors import BadInput, Unreachable
from sandbox.github.world.repositories import Repository

PRODUCT = "65248b4b-20d8-4ad0-95c2-c39f80dc4d18"
USER_AGENT = "workspace-backfill-demo"

REPOSITORY = """
query DemoRepository($owner: String!, $name: String!) {
  repository(owner: $owner, name: $name) {
    databaseId nameWithOwner name owner { login } isPrivate isArchived hasIssuesEnabled hasDiscussionsEnabled
  }
}
"""


@dataclass(frozen=True)
class HostRepository:
    """A repository of a workspace, with the fields that the host application stores."""

    github_id: int
    owner: str
    name: str
    is_private: bool
    is_archived: bool
    has_issues: bool
    has_discussions: bool

    @classmethod
    def of(cls, repository: Repository) -> Self:
        """Returns the fields that the host application would store of the stand-in's `repository`."""
        return cls(
            github_id=repository.database_id,
            owner=repository.owner.login,
            name=repository.name,
            is_private=repository.is_private,
            is_archived=repository.is_archived,
            has_issues=repository.has_issues_enabled,
            has_discussions=repository.has_discussions_enabled,
        )

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True)
class Workspace:
    """A workspace in the host's tables. `owner` is the id of the owner's auth user, which is also Polar's external id
    of the customer.
    """

    workspace_id: str
    owner: str


def look_up(full_name: str, graphql_url: str, token: str) -> HostRepository:
    """Looks the repository up at GitHub. Raises `BadInput` if GitHub does not accept the token, or shows it no such
    repository. Raises `Unreachable` if GitHub does not answer.
    """
    owner, _, name = full_name.partition("/")
    body = json.dumps({"query": REPOSITORY, "variables": {"owner": owner, "name": name}}).encode()
    headers = {"Authorization": f"Bearer {token}", "User-Agent": USER_AGENT, "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(graphql_url, body, headers), timeout=15) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        if error.code == 401:
            raise BadInput("GITHUB_TOKEN", "GitHub does not accept it") from None
        raise Unreachable("github_unreachable", f"{graphql_url} answers {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        raise Unreachable("github_unreachable", f"{graphql_url}: {error}") from None
    found = (answer.get("data") or {}).get("repository")
    if not found:
        why = "; ".join(error.get("message", "") for error in answer.get("errors") or ()) or "not found"
        raise BadInput("REPOS", f"{full_name}: {why[:200]}")
    return HostRepository(
        github_id=found["databaseId"],
        owner=found["owner"]["login"],
        name=found["name"],
        is_private=found["isPrivate"],
        is_archived=found["isArchived"],
        has_issues=found["hasIssuesEnabled"],
        has_discussions=found["hasDiscussionsEnabled"],
    )


async def create_workspace(dsn: str, repositories: Sequence[HostRepository]) -> Workspace:
    """Creates a user with a base subscription, and a workspace with these repositories. All are rows of the host's
    tables.
    """
    user, auth_user, workspace = (str(uuid.uuid4()) for _ in range(3))
    connection = await asyncpg.connect(dsn, statement_cache_size=0)
    try:
        async with connection.transaction():
            await connection.execute(
                "insert into app_users (id, auth_user_id, email, github_username) values ($1, $2, $3, 'demo')",
                user,
                auth_user,
                f"demo-{user[:8]}@example.com",
            )
            await connection.execute("insert into subscriptions (user_id, tier) values ($1, 'pro')", auth_user)
            await connection.execute(
                "insert into workspaces (id, name, slug, owner_id, tier) values ($1, 'Demo', $2, $3, 'pro')",
                workspace,
                f"demo-{workspace[:8]}",
                user,
            )
            await connection.execute(
                "insert into workspace_members (workspace_id, user_id, role) values ($1, $2, 'owner')", workspace, user
            )
            for repository in repositories:
                await connection.execute(
                    """
                    with added as (
                      insert into repositories
                        (github_id, owner, name, full_name, is_private, is_archived, has_issues, has_discussions)
                      values ($1, $2, $3, $4, $5, $6, $7, $8)
                      on conflict (github_id) do update set full_name = excluded.full_name
                      returning id
                    )
                    insert into workspace_repositories (workspace_id, repository_id, added_by)
                    select $9, id, $10 from added
                    """,
                    repository.github_id,
                    repository.owner,
                    repository.name,
                    repository.full_name,
                    repository.is_private,
                    repository.is_archived,
                    repository.has_issues,
                    repository.has_discussions,
                    workspace,
                    user,
                )
    finally:
        await connection.close()
    return Workspace(workspace, auth_user)


def signed(secret: str, delivery: str, payload: str, at: datetime) -> dict[str, str]:
    """Returns the headers of a webhook delivery. They include the signature, which is made as Polar makes it."""
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(delivery, at, payload),
    }


def buy(webhook_url: str, secret: str, workspace: Workspace) -> None:
    """Buys the add-on for the workspace's owner: sends the event that Polar sends after a purchase to the webhook
    server.

    Raises `Unreachable` unless the server answers 202.
    """
    now = datetime.now(UTC)
    subscription = {
        "id": str(uuid.uuid4()),
        "status": "active",
        "product_id": PRODUCT,
        "customer_id": str(uuid.uuid4()),
        "customer": {"external_id": workspace.owner, "email": "demo@example.com"},
        "metadata": {"user_id": workspace.owner},
        "current_period_start": now.isoformat(),
        "current_period_end": (now + timedelta(days=30)).isoformat(),
        "cancel_at_period_end": False,
        "started_at": now.isoformat(),
        "ends_at": None,
        "ended_at": None,
        "created_at": now.isoformat(),
        "modified_at": None,
    }
    payload = json.dumps({"type": "subscription.active", "timestamp": now.isoformat(), "data": subscription})
    headers = signed(secret, f"demo_{uuid.uuid4().hex}", payload, now)
    request = urllib.request.Request(f"{webhook_url}/webhooks/polar", payload.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            status = response.status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        raise Unreachable("not_accepted", f"the webhook server does not answer: {error}") from None
    if status != 202:
        raise Unreachable("not_accepted", f"the webhook server answered {status} to the purchase")
