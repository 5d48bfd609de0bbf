"""People, bots and teams in REST's shapes."""

from typing import Any

from sandbox.github.rest.calls import Call
from sandbox.github.world.accounts import Account, Team, present


def user_shape(call: Call, account: Account) -> dict[str, Any]:
    return {
        "login": account.rest_login,
        "id": account.database_id,
        "node_id": account.node_id(call.new_ids),
        "avatar_url": account.rest_avatar_url,
        "gravatar_id": "",
        "url": f"{call.root}/users/{account.rest_login}",
        "html_url": account.url,
        "type": account.typename,
        "user_view_type": "public",
        "site_admin": False,
    }


def profile_shape(call: Call, account: Account) -> dict[str, Any]:
    """Returns the account as the route for a single account shows it. Lists leave out some of its fields."""
    more = {"name": account.name, "company": None, "blog": "", "location": None, "email": None, "hireable": None}
    times = {"created_at": account.created_at, "updated_at": account.updated_at}
    return user_shape(call, account) | more | {"bio": None, "followers": 0, "following": 0} | times


def author_shape(call: Call, account: Account | None) -> dict[str, Any]:
    """Returns the author of an issue, pull request or comment. If the author's account was deleted, returns the account
    `ghost`.
    """
    return user_shape(call, present(account) or call.world.ghost)


def reviewer_shape(call: Call, account: Account | None) -> dict[str, Any] | None:
    """Returns the author of a review or review comment, or the actor of an event. Returns None if the account was
    deleted.
    """
    shown = present(account)
    return user_shape(call, shown) if shown else None


def team_shape(call: Call, team: Team) -> dict[str, Any]:
    return {
        "id": team.database_id,
        "node_id": team.node_id(call.new_ids),
        "name": team.name,
        "slug": team.slug,
        "html_url": team.url,
    }
