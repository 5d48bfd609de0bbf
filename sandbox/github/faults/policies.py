"""Policies of organizations. They refuse an organization's content to accounts that could see it without the policy."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.refusals import GitHubError
from sandbox.github.exchange.requests import Reply, Request, message_reply
from sandbox.github.faults.effect import Effect
from sandbox.github.graphql.context import Field
from sandbox.github.rest import routes as rest
from sandbox.github.world.accounts import Account

Rule = Literal["saml", "ip_allow_list", "token_lifetime", "classic_tokens", "oauth_apps"]
DOCUMENTATION = "https://docs.github.com/articles/authenticating-to-a-github-organization-with-saml-single-sign-on/"
WORDS: dict[Rule, str] = {
    "saml": "Resource protected by organization SAML enforcement. You must grant your Personal Access token access to "
    "this organization.",
    "ip_allow_list": "Although you appear to have the correct authorization credentials, the `{0}` organization has an "
    "IP allow list enabled, and your IP address is not permitted to access this resource.",
    "token_lifetime": "The '{0}' organization forbids access via a fine-grained personal access tokens if the token's "
    "lifetime is greater than 366 days. Please adjust your token's lifetime at the following URL: "
    "https://github.com/settings/personal-access-tokens/1234567",
    "classic_tokens": "The '{0}' organization forbids access via a personal access token (classic). Please use a "
    "GitHub App, OAuth App, or a personal access token with fine-grained permissions.",
    "oauth_apps": "Although you appear to have the correct authorization credentials, the `{0}` organization has "
    "enabled OAuth App access restrictions, meaning that data access to third-parties is limited. For more information "
    "on these restrictions, including how to enable this app, visit "
    "https://docs.github.com/articles/restricting-access-to-your-organization-s-data/",
}
"""GitHub's messages, as users quote them; `{0}` is the organization."""


@dataclass
class Policy(Effect):
    """A policy of an organization. It refuses all content of the organization's repositories, with FORBIDDEN in GraphQL
    and 403 in REST. In GraphQL it also refuses a reference to such content from another repository.

    If the rule is SAML, the answer has the header `X-GitHub-SSO: required; url=...`. A person can authorize the token
    at that address.
    """

    organization: str
    rule: Rule = "saml"
    resolves: ClassVar[bool] = True

    @property
    def url(self) -> str:
        return f"https://github.com/orgs/{self.organization}/sso?authorization_request=A7NXV"

    @property
    def words(self) -> str:
        return WORDS[self.rule].format(self.organization)

    def instead(self, request: Request, budget: Budget) -> Reply | None:  # noqa: ARG002 (an effect's signature)
        if request.kind != "rest" or request.world is None:
            return None
        if not self._is_theirs(rest.repository_of(request.world, request.path)):
            return None
        return message_reply(403, self.words, DOCUMENTATION)

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        if isinstance(value, list):
            return [self.resolved(request, field, each) for each in value] if field.name == "Query.nodes" else value
        if self._is_theirs(value) and not self._is_theirs(field.source):
            request.noticed.add(self.rule)
            return GitHubError("FORBIDDEN", self.words, {"saml_failure": self.rule == "saml"})
        return value

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        if self.rule == "saml" and (self.rule in request.noticed or reply.status == 403):
            reply.headers["X-GitHub-SSO"] = f"required; url={self.url}"
        return reply

    def _is_theirs(self, thing: Any) -> bool:
        if isinstance(thing, dict | Account):
            return False
        owner = getattr(getattr(thing, "repository", None), "owner_account", None)
        return owner is not None and owner.login.lower() == self.organization.lower()
