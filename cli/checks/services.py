"""Checks OpenAI, Polar and the mail server. A server that is not configured is not asked."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import logs
import settings
from cli.checks.finding import Finding, failure, not_set, ok, trouble, warning
from errors import BackfillError, PartOver, RetryLater
from polar.api import Endpoint, PolarApi

LOOKED_BACK = timedelta(days=3)
"""How far back Polar's failed deliveries are read."""
EVENTS = ("order.paid", "subscription.active", "subscription.canceled", "subscription.revoked", "subscription.updated")
"""Events without which the beginning, change or end of an add-on is missed."""


async def openai() -> AsyncIterator[Finding]:
    """Checks OpenAI by embedding one word, which costs one token."""
    at = settings.load(settings.Embeddings)
    if at.key is None:
        yield warning("OpenAI", "OPENAI_API_KEY is not set: embeddings are skipped", "set it if search is wanted")
        return
    logs.register_secret(at.key)
    from embedding.client import Embedder  # openai's package takes half a second

    try:
        async with Embedder(at.key, at.openai_base_url, at.embedding_model, at.embedding_dimensions) as embedder:
            await embedder.embed(["doctor"])
    except RetryLater as error:
        yield warning("OpenAI", error.message, "embeddings wait for it; a higher limit makes them faster")
    except BackfillError as error:
        yield trouble("OpenAI", error, "check OPENAI_BASE_URL, and OpenAI's state at https://status.openai.com")
    else:
        yield ok("OpenAI", f"{at.embedding_model} makes vectors of {at.embedding_dimensions} values")


async def polar() -> AsyncIterator[Finding]:
    at = settings.load(settings.PolarApi)
    if at.token is None:
        what = "POLAR_ACCESS_TOKEN is not set: nobody asks Polar what webhooks have missed"
        yield warning("Polar", what, "set it, with the scopes subscriptions:read, webhooks:read and webhooks:write")
        return
    logs.register_secret(at.token)
    async with PolarApi(at.polar_api_url, at.token) as api:
        try:
            listed = await api.active_subscriptions(at.polar_retention_products)
            yield ok("Polar", f"{len(listed.subscriptions)} active subscriptions of our products")
            for each in _endpoints(await api.endpoints()):
                yield each
            yield _deliveries(len(await api.failed_events(datetime.now(UTC) - LOOKED_BACK)))
        except PartOver as error:
            to_do = "give POLAR_ACCESS_TOKEN the scopes webhooks:read and webhooks:write"
            yield warning("Polar's webhook", f"{error.message}: whether it is enabled is not known", to_do)
        except BackfillError as error:
            yield trouble("Polar", error, "make a new access token in Polar's settings and set POLAR_ACCESS_TOKEN")


def _endpoints(endpoints: list[Endpoint]) -> list[Finding]:
    """Returns the findings on Polar's webhooks. Only webhooks whose address ends in the path that `webhook.py` serves
    are checked. If Polar has no such webhook, that is the finding.
    """
    ours = [each for each in endpoints if re.search(r"/webhooks/polar/?$", each.url)]
    if not ours:
        what = "Polar has no webhook whose address ends in /webhooks/polar: purchases are not heard of"
        return [failure("Polar's webhook", what, "add one in Polar's settings, format raw, with POLAR_WEBHOOK_SECRET")]
    return [_endpoint(each) for each in ours]


def _endpoint(its: Endpoint) -> Finding:
    if not its.enabled:
        what = f"{its.url} is switched off: Polar does that after ten events in a row that failed"
        return failure("Polar's webhook", what, "check that webhook.py answers there, then enable it at Polar")
    missing = [each for each in EVENTS if each not in its.events]
    if missing:
        what = f"{its.url} is not sent {', '.join(missing)}"
        return failure("Polar's webhook", what, "select these events in Polar's settings")
    return ok("Polar's webhook", f"{its.url} is enabled")


def _deliveries(failed: int) -> Finding:
    if failed:
        what = f"{failed} events of the last {LOOKED_BACK.days} days did not arrive"
        return warning("Polar's deliveries", what, "run starter.py reconcile: it repairs, and asks for them again")
    return ok("Polar's deliveries", f"none failed in the last {LOOKED_BACK.days} days")


async def mail() -> AsyncIterator[Finding]:
    """Checks the mail server by logging in, without sending anything."""
    at = settings.load(settings.Mail)
    if at.server is None or at.mail_from is None:
        yield not_set("e-mail", "SMTP_URL is not set: no e-mails are sent")
        return
    from notify.mail import Mail  # with its templates

    if at.server.password:
        logs.register_secret(at.server.password)
    try:
        await Mail(at.server, at.mail_from, at.public_url).check()
    except BackfillError as error:
        yield trouble("e-mail", error, "check SMTP_URL: host, port, user, password, and whether the server speaks TLS")
    else:
        yield ok("e-mail", f"{at.server.host}:{at.server.port} takes our name and password")
