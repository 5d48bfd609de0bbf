"""Maps GitHub's actors to contributors."""

from typing import Any

from github.nodes.values import github_id
from rows import Contributor, Page

Node = dict[str, Any]
OWNERS = frozenset({"User", "Organization", "Bot"})
"""Types of accounts whose logins are unique. A mannequin bears the login that its user had on another server."""


def login(actor: Node | None) -> str | None:
    """Returns the login as REST and the web show it. A bot's login ends with `[bot]` there, and GraphQL omits this
    ending. Returns None for a deleted account.
    """
    if actor is None:
        return None
    name: str = actor["login"]
    if actor["__typename"] == "Bot" and not name.endswith("[bot]"):
        return f"{name}[bot]"
    return name


def contributor(actor: Node | None, page: Page) -> int | None:
    """Returns the actor's GitHub id, and adds the actor's row to the page. Returns None for a deleted account, or for
    an account without an id.
    """
    if actor is None:
        return None
    if actor.get("databaseId") is None:
        return None
    number = github_id(actor["databaseId"])
    if number not in page.contributors:
        page.contributors[number] = Contributor(
            number,
            login(actor) or "",
            actor["avatarUrl"],
            actor["url"],
            actor["__typename"] == "Bot",
            owns_login=actor["__typename"] in OWNERS,
        )
    return number


def user(account: Node | None, page: Page) -> int | None:
    """Returns the GitHub id of an account from a REST answer, and adds the account's row to the page. Returns None for
    a deleted account.
    """
    if account is None:
        return None
    number = github_id(account["id"])
    if number not in page.contributors:
        page.contributors[number] = Contributor(
            number,
            account["login"],
            account["avatar_url"],
            account["html_url"],
            account["type"] == "Bot",
            # Two bots of GitHub's are called Copilot in REST: 175728472 reviews, 198982749 writes code.
            owns_login=account["type"] in OWNERS - {"Bot"},
            source="rest",
        )
    return number
