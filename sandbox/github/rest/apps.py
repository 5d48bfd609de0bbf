"""REST's routes for GitHub Apps. An App authenticates by a JSON web token."""

import re
from math import ceil
from typing import Any

import jwt

from sandbox.github.exchange.refusals import NotModelled
from sandbox.github.exchange.requests import Reply, Request, json_reply, message_reply
from sandbox.github.rest.calls import Call, Refusal, listed
from sandbox.github.rest.shapes.accounts import user_shape
from sandbox.github.world.apps import App, Installation
from sandbox.github.world.world import World

LONGEST = 600
"""Longest lifetime of a JSON web token, in seconds from now."""
NOT_DECODED = "A JSON web token could not be decoded"
BAD_ISSUED_AT = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
BAD_EXPIRATION = (
    "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion "
    "expires"
)
TOO_FAR = "'Expiration time' claim ('exp') is too far in the future"
SUSPENDED = "This installation has been suspended"


def authenticate(world: World, token: str) -> App:
    """Returns the App that signed the JSON web token. Raises `Refusal` if no App signed the token, or if the token is
    not valid at present.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        app = world.apps.get(str(claims.get("iss")))
        if app is None:
            raise Refusal(message_reply(404, "Integration not found"))
        # The signature alone: claims are checked by the world's clock, in GitHub's words.
        jwt.PyJWS().decode(token, app.public_key, algorithms=["RS256"])
    except jwt.InvalidTokenError:
        raise Refusal(message_reply(401, NOT_DECODED)) from None
    now = world.clock.now().timestamp()
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    if not isinstance(issued_at, int) or issued_at > ceil(now):
        raise Refusal(message_reply(401, BAD_ISSUED_AT))
    if not isinstance(expires_at, int | float) or expires_at <= now:
        raise Refusal(message_reply(401, BAD_EXPIRATION))
    if expires_at > now + LONGEST:
        raise Refusal(message_reply(401, TOO_FAR))
    return app


def answer(call: Call, app: App, request: Request) -> Reply:
    if (request.method, call.path) == ("GET", "/app/installations"):
        installations = sorted(app.installations.values(), key=lambda each: each.database_id)
        return listed(call, installations, lambda each: installation_shape(call, each))
    if request.method == "POST" and (found := ACCESS_TOKENS.fullmatch(call.path)):
        return _access_token(app.installations.get(int(found[1])))
    raise NotModelled(f"{request.method} {call.path} for an App")


ACCESS_TOKENS = re.compile(r"/app/installations/(\d+)/access_tokens")


def _access_token(installation: Installation | None) -> Reply:
    if installation is None:
        return message_reply(404, "Not Found")
    if installation.suspended_at:
        return message_reply(403, SUSPENDED)
    token, expires_at = installation.create_token()
    content = {
        "token": token,
        "expires_at": expires_at,
        "permissions": installation.permissions,
        "repository_selection": installation.repository_selection,
    }
    return json_reply(201, content)


def installation_shape(call: Call, installation: Installation) -> dict[str, Any]:
    owner, app = installation.account, installation.app
    return {
        "id": installation.database_id,
        "account": user_shape(call, owner),
        "repository_selection": installation.repository_selection,
        "access_tokens_url": f"{call.root}/app/installations/{installation.database_id}/access_tokens",
        "repositories_url": f"{call.root}/installation/repositories",
        "app_id": app.database_id,
        "app_slug": app.slug,
        "target_id": owner.database_id,
        "target_type": owner.typename,
        "permissions": installation.permissions,
        "events": [],
        "created_at": installation.created_at,
        "updated_at": installation.created_at,
        "suspended_at": installation.suspended_at,
        "suspended_by": None,
    }
