"""Derives from a refusal's message what a person has to do, such as to grant a permission.

GitHub publishes no list of these messages. Where GitHub documents a message, a comment names the page.
"""

import re
from collections.abc import Mapping

_URL = re.compile(r"https://[^\s'\"<>]+[^\s'\"<>.,;)]")
_ORGANIZATION = re.compile(r"the [`'\"]([\w.-]+)[`'\"] organization|^[`'\"]([\w.-]+)[`'\"] forbids", re.IGNORECASE)
_SCOPES = re.compile(r"one of the following scopes: \[([^\]]*)\]")
_SSO = re.compile(r"/(?:orgs|enterprises)/([\w.-]+)/sso")
_NAME = re.compile(r"(['`\"])[^\s'`\"]+\1|\S+/\S+")
"""A quoted name, owner/name, or an address. A repository may be called `saml-test`."""
OTHERWISE = "give the token access to the repository"


def grant(words: str, headers: Mapping[str, str]) -> str:
    """Returns what a person can do about a refusal (403 or FORBIDDEN), as text. `words` is GitHub's message. `headers`
    are the answer's headers.
    """
    said = _NAME.sub("", words).lower()
    named = _organization(words)
    organization = named or "the organization"
    if "saml" in said or headers.get("X-GitHub-SSO", "").startswith("required"):
        # https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api#personal-access-tokens-and-saml-sso
        link = _URL.search(headers.get("X-GitHub-SSO", ""))
        where = link[0] if link else "https://github.com/settings/tokens, under Configure SSO"
        within = _SSO.search(where)
        return f"authorize the token for the SAML single sign-on of {within[1] if within else organization}: {where}"
    if "ip allow list" in said:
        # https://docs.github.com/en/organizations/keeping-your-organization-secure (managing allowed IP addresses)
        return (
            f"an owner of {organization} adds this worker's address to its IP allow list, or run"
            " the worker at an address that is on it"
        )
    if "lifetime" in said and "forbids access" in said:
        # https://docs.github.com/en/organizations/managing-programmatic-access-to-your-organization (token lifetimes)
        return f"make the token's lifetime as short as {organization} allows{_at(words)}"
    if "oauth app access restrictions" in said:
        # https://docs.github.com/articles/restricting-access-to-your-organization-s-data
        page = f"https://github.com/organizations/{named or 'ORGANIZATION'}/settings/oauth_application_policy"
        return f"an owner of {organization} approves the OAuth App at {page}, or use another kind of token"
    if "forbids access via a personal access token (classic)" in said:
        return f"{organization} forbids classic tokens: use a fine-grained one, or a GitHub App"
    if "forbids access via a fine-grained" in said:
        return f"{organization} forbids fine-grained tokens: use a GitHub App"
    if scopes := _SCOPES.search(words):
        return (
            f"give the token one of the scopes {scopes[1].replace(chr(39), '')} at https://github.com/settings/tokens"
        )
    if "not accessible by integration" in said:
        return f"give the GitHub App {_permissions(headers)} and accept that for the installation"
    if "not accessible by personal access token" in said:
        return f"give the fine-grained token the repository, and {_permissions(headers)}"
    return OTHERWISE


def _organization(words: str) -> str:
    found = _ORGANIZATION.search(words)
    return (found[1] or found[2]) if found else ""


def _at(words: str) -> str:
    link = _URL.search(words)
    return f" at {link[0]}" if link else " at https://github.com/settings/tokens"


def _permissions(headers: Mapping[str, str]) -> str:
    """Returns the name of the missing permission, as text. The header X-Accepted-GitHub-Permissions lists the
    permissions that a route accepts, such as `contents=read`, with `;` between alternatives. If this header is missing,
    the text names all permissions that this application needs.
    """
    accepted = headers.get("X-Accepted-GitHub-Permissions", "")
    sets = [each.strip().replace("=", ": ").replace(",", " and ") for each in accepted.split(";") if each.strip()]
    if not sets:
        return "read permission on Contents, Discussions, Issues, Metadata and Pull requests"
    return f"the permission {' or '.join(sets)}"
