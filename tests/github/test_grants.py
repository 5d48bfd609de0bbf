"""What to grant, and to whom: GitHub's own words for each policy, and the action that they lead to."""

import pytest

from github.answers.grants import OTHERWISE, grant

SAML = "Resource protected by organization SAML enforcement. You must grant your Personal Access token access."
SSO = "https://github.com/orgs/acme/sso?authorization_request=AAAB"
CORRECT = "Although you appear to have the correct authorization credentials, the `acme` organization has "
SAID: dict[str, tuple[str, dict[str, str], str]] = {
    "SAML, with its link": (
        SAML,
        {"X-GitHub-SSO": f"required; url={SSO}"},
        f"authorize the token for the SAML single sign-on of acme: {SSO}",
    ),
    "SAML, without a link": (
        SAML,
        {},
        "authorize the token for the SAML single sign-on of the organization: "
        "https://github.com/settings/tokens, under Configure SSO",
    ),
    "IP allow list": (
        CORRECT + "an IP allow list enabled, and your IP address is not permitted to access this resource.",
        {},
        "an owner of acme adds this worker's address to its IP allow list, or run the worker at an address that is on "
        "it",
    ),
    "the lifetime of a fine-grained token": (
        "The 'acme' organization forbids access via a fine-grained personal access tokens if the token's lifetime is "
        "greater than 366 days. Please adjust your token's lifetime at the following URL: "
        "https://github.com/settings/personal-access-tokens/1",
        {},
        "make the token's lifetime as short as acme allows at https://github.com/settings/personal-access-tokens/1",
    ),
    "the lifetime of a classic token": (
        "The 'acme' organization forbids access via a personal access token (classic) if the token's lifetime is "
        "greater than 90 days. Please adjust your token's lifetime at the following URL: https://github.com/settings/tokens/2",
        {},
        "make the token's lifetime as short as acme allows at https://github.com/settings/tokens/2",
    ),
    "restrictions of OAuth Apps": (
        CORRECT + "enabled OAuth App access restrictions, meaning that data access to third-parties is limited.",
        {},
        "an owner of acme approves the OAuth App at "
        "https://github.com/organizations/acme/settings/oauth_application_policy, or use another kind of token",
    ),
    "no classic tokens": (
        "`acme` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or a "
        "personal access token with fine-grained permissions.",
        {},
        "acme forbids classic tokens: use a fine-grained one, or a GitHub App",
    ),
    "no fine-grained tokens": (
        "`acme` forbids access via a fine-grained personal access tokens. Please use a GitHub App.",
        {},
        "acme forbids fine-grained tokens: use a GitHub App",
    ),
    "a scope": (
        "Your token has not been granted the required scopes to execute this query. The 'slug' field requires one of "
        "the following scopes: ['read:org', 'read:discussion'], but your token has only the: ['repo'] "
        "scopes.",
        {},
        "give the token one of the scopes read:org, read:discussion at https://github.com/settings/tokens",
    ),
    "an App's permission, by REST": (
        "Resource not accessible by integration",
        {"X-Accepted-GitHub-Permissions": "contents=read"},
        "give the GitHub App the permission contents: read and accept that for the installation",
    ),
    "a fine-grained token's permissions, by REST": (
        "Resource not accessible by personal access token",
        {"X-Accepted-GitHub-Permissions": "issues=read; pull_requests=read,metadata=read"},
        "give the fine-grained token the repository, and the permission issues: read or "
        "pull_requests: read and metadata: read",
    ),
    "an App's permission, by GraphQL": (
        "Resource not accessible by integration",
        {},
        "give the GitHub App read permission on Contents, Discussions, Issues, Metadata and Pull requests and accept "
        "that for the installation",
    ),
    "a repository called after SAML": (
        "Resource not accessible by personal access token: 'acme/saml-test'",
        {"X-Accepted-GitHub-Permissions": "contents=read"},
        "give the fine-grained token the repository, and the permission contents: read",
    ),
    "a repository called after SAML, without quotes": (
        "Resource not accessible by integration (acme/saml-test, see https://github.com/acme/saml-test/settings)",
        {"X-Accepted-GitHub-Permissions": "contents=read"},
        "give the GitHub App the permission contents: read and accept that for the installation",
    ),
    "an organization called after SAML": (
        "`saml` forbids access via a personal access token (classic). Please use a GitHub App.",
        {},
        "saml forbids classic tokens: use a fine-grained one, or a GitHub App",
    ),
    "SAML of an organization called after it": (
        "Resource protected by organization SAML enforcement. You must grant access to the `saml` organization.",
        {},
        "authorize the token for the SAML single sign-on of saml: "
        "https://github.com/settings/tokens, under Configure SSO",
    ),
    "anything else": ("Must have admin rights to Repository.", {}, OTHERWISE),
}


@pytest.mark.parametrize("what", SAID)
def test_what_to_grant_and_to_whom(what: str) -> None:
    words, headers, action = SAID[what]
    assert grant(words, headers) == action
