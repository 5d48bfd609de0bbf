"""Checks GitHub: each credential, its rights, and its remaining budgets."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import logs
import settings
from cli.checks.finding import Finding, failure, ok, trouble, warning
from cli.checks.postgres import clock
from cli.words import duration

if TYPE_CHECKING:
    from github.transport.health import Health

API_NAMES = {"graphql": "points", "core": "REST requests"}


async def examine(private_repositories: int) -> AsyncIterator[Finding]:
    """Yields the findings on GitHub. `private_repositories` is the number of private repositories in all workspaces.
    The number matters because a token without the scope `repo` cannot read private repositories.
    """
    at = settings.load(settings.GitHub)
    for secret in at.tokens:
        logs.register_secret(secret)
    from github.transport import health  # no other command waits for GitHub's client to be loaded

    examined = await health.examine(at.github_api_url, at.graphql_url, at.tokens, at.app)
    for each in examined:
        yield credential(each, at.github_budget_share, private_repositories)
    ahead = next((each.ahead for each in examined if each.ahead is not None), None)
    if ahead is not None:
        yield clock("clock of GitHub", ahead.total_seconds(), "GitHub")
    if not examined:
        yield failure("GitHub", "the App is installed nowhere", "install it for the owners of the repositories")


def credential(of: "Health", share: float, private_repositories: int) -> Finding:
    """Returns the finding on one credential. `share` is the fraction of the credential's budget that backfills may use.
    `private_repositories` is the number of private repositories in all workspaces.
    """
    check = f"GitHub, {of.credential}"
    if of.error is not None:
        return trouble(check, of.error, "check GITHUB_API_URL, and GitHub's own state at https://www.githubstatus.com")
    if of.lacks:
        what = f"the App lacks the permission to read {', '.join(of.lacks)}"
        return failure(check, what, "give the App these permissions and accept them for the installation")
    budgets = []
    for api, budget in of.budgets.items():
        resets = duration(max((budget.resets_at - datetime.now(UTC)).total_seconds(), 0))
        budgets.append(f"{budget.left:,} of {budget.limit:,} {API_NAMES[api]} left, all again in {resets}")
        if budget.left < budget.limit * (1 - share):
            to_do = f"wait, add an account to GITHUB_TOKENS, or raise GITHUB_BUDGET_SHARE ({share:g})"
            return warning(check, f"{of.login}: backfills wait: {budgets[-1]}", to_do)
    who = ": ".join(filter(None, [of.login, "; ".join(budgets) or "accepted"]))
    if of.scopes is not None and "repo" not in of.scopes and private_repositories:
        what = f"{of.login} has no scope `repo`, and {private_repositories} repositories of workspaces are private"
        return warning(check, what, "give the token the scope `repo`, or use a GitHub App installed for their owners")
    scopes = (
        "" if of.scopes is None else f"; scopes: {', '.join(sorted(of.scopes)) or 'none, public repositories only'}"
    )
    return ok(check, f"{who}{scopes}")
