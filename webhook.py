"""The HTTP server: receives Polar's webhooks, and serves the status API and the settings page.

A delivery is verified, stored in Postgres and answered. Then `polar.inbox` processes the delivery, and `reconciler`
tells Temporal of new jobs. `notify.sender` notifies people and the host about jobs. The API (`api.server`) has its own
connections to Postgres, so that a busy API cannot keep deliveries from being stored.

Settings, from the environment or a file .env: docs/settings.md.
Exit codes: 0 stopped by a signal, 2 a setting is missing or wrong, 3 Postgres cannot be reached at the start.
"""

import asyncio
import json
import resource
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import NoReturn

import structlog
from aiohttp import web

import logs
import process
import settings
import temporal
from api import server
from api.access import Access
from api.live import MOST_STREAMS, LiveJobs
from api.routes import Route
from api.tokens import ServiceToken, SigningKeys, UserTokens
from errors import BadInput, Unreachable
from metrics.server import ServerMetrics
from notify.channel import Channel
from notify.host_webhook import HostWebhook
from notify.mail import Mail
from notify.sender import Sender
from page.routes import Page
from payloads import codec_server
from payloads.encryption import PayloadEncryption
from payloads.readers import Readers
from polar import events
from polar.inbox import Inbox
from polar.signature import Signatures
from reconciler.loop import Reconciler
from release import VERSION
from schema.rights import check_rights
from store import deliveries
from store.database import Database

LARGEST_BODY = 1024 * 1024
KEEP_SECONDS = 5.0
"""Time limit for storing a delivery; Polar waits ten seconds."""
READY_SECONDS = 2.0
SHUTDOWN_SECONDS = 10.0
API_CONNECTIONS = 5
SENDER_CONNECTIONS = 4

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger("webhook")


class PolarWebhook:
    """Serves `POST /webhooks/polar`. Status 202 means that Postgres has stored the delivery."""

    def __init__(self, database: Database, signatures: Signatures, inbox: Inbox) -> None:
        self._database = database
        self._signatures = signatures
        self._inbox = inbox

    async def post(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _refused(request, 413, "request_entity_too_large", f"the body is larger than {LARGEST_BODY:,} bytes")
        except web.RequestPayloadError:
            # Its Content-Encoding names a compression that it does not have.
            return _refused(request, 400, "bad_body", "the body cannot be read")
        refusal = self._signatures.refusal(request.headers, body, datetime.now(UTC))
        if refusal:
            log.warning("delivery refused", reason=refusal, remote=request.remote)
            # Only the log says which, so that a caller learns nothing about our secrets and our clock.
            return _error(
                403, "bad_signature", "a signature or its time is missing or wrong; the server's log says which"
            )
        try:
            text = body.decode()
            payload = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return _refused(request, 400, "bad_json", "the body is not JSON")
        webhook_id, event_type = request.headers["webhook-id"], events.type_of(payload)
        with structlog.contextvars.bound_contextvars(delivery=webhook_id, type=event_type):
            return await self._keep(webhook_id, event_type, text)

    async def _keep(self, webhook_id: str, event_type: str, text: str) -> web.StreamResponse:
        try:
            async with asyncio.timeout(KEEP_SECONDS), self._database.transaction() as connection:
                new = await deliveries.keep(connection, webhook_id=webhook_id, event_type=event_type, text=text)
        except Exception:
            # Any error is answered with 503, because only then Polar sends the delivery again.
            log.exception("delivery not kept")
            return _error(503, "not_kept", "the delivery could not be stored; send it again")
        log.info("delivery kept" if new else "delivery repeated")
        self._inbox.announce()
        return web.json_response({"status": "accepted"}, status=202)


class Readiness:
    """Serves `GET /readyz`. Status 200 means that deliveries can be stored. The answer also reports whether Temporal is
    reachable. Temporal's state does not change the status.
    """

    def __init__(self, database: Database, reconciler: Reconciler) -> None:
        self._database = database
        self._reconciler = reconciler

    async def get(self, _request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(READY_SECONDS), self._database.transaction() as connection:
                await deliveries.ready(connection)
        except Exception:
            log.exception("not ready")
            return web.json_response({"postgres": "unavailable"}, status=503)
        return web.json_response({"postgres": "ok", "temporal": "unreachable" if self._reconciler.trouble else "ok"})


async def _healthy(_request: web.Request) -> web.StreamResponse:
    return web.json_response({"status": "ok", "version": VERSION})


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = error.reason.lower().replace(" ", "_")
        return _error(error.status, code, error.reason)
    except web.RequestPayloadError:
        return _error(400, "bad_body", "the body cannot be read")


def own_routes(
    database: Database, signatures: Signatures, inbox: Inbox, reconciler: Reconciler, metrics: ServerMetrics | None
) -> list[Route]:
    """Returns the routes that the server serves itself, outside the API: for Polar, for health checks, and for
    Prometheus if `metrics` is given.
    """
    polar, ready = PolarWebhook(database, signatures, inbox).post, Readiness(database, reconciler).get
    refused = frozenset({400, 403, 413, 503})
    routes = [
        Route(
            "POST", "/webhooks/polar", polar, "Polar's deliveries, signed", {202: None}, errors=refused, security="none"
        ),
        Route("GET", "/healthz", _healthy, "The process answers", {200: None}, security="none"),
        Route("GET", "/readyz", ready, "Deliveries can be kept", {200: None, 503: None}, security="none"),
    ]
    if metrics is not None:
        numbers = "Numbers for Prometheus, by METRICS_TOKEN where it is set"
        routes.append(Route("GET", "/metrics", metrics.get, numbers, {200: None, 401: None}, security="none"))
    return routes


def application(
    database: Database,
    signatures: Signatures,
    inbox: Inbox,
    reconciler: Reconciler,
    api: web.Application | None = None,
    codec: web.Application | None = None,
    page: Page | None = None,
    metrics: ServerMetrics | None = None,
) -> web.Application:
    """Returns the application with its own routes. If `api`, `codec`, `page` or `metrics` is given, the application
    serves it, too. The caller has to run the inbox, the reconciler and the other loops.
    """
    counting = [metrics.count] if metrics is not None else []
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[*counting, _errors_as_json])
    for route in own_routes(database, signatures, inbox, reconciler, metrics):
        app.router.add_route(route.method, route.path, route.handler)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, route.handler)
    if api is not None:
        app.add_subapp(server.PREFIX, api)
    if codec is not None:
        app.add_subapp(codec_server.PREFIX, codec)
    if page is not None:
        page.add_to(app)
    return app


def say_what_is_off(
    setting: settings.Api, codec: settings.CodecServer, mail: settings.Mail, notify: settings.Notify
) -> None:
    """Logs each part that is switched off because its setting is missing."""
    if not setting.jwt_secret and not setting.supabase_url:
        log.warning("the API refuses users: neither SUPABASE_JWT_SECRET nor SUPABASE_URL is set")
    if not setting.service_token:
        log.warning("the API refuses the service: BACKFILL_API_TOKEN is not set")
    if not codec.wanted:
        log.info("nobody has payloads decrypted here: neither CODEC_SERVER_TOKEN nor CODEC_JWKS_URL is set")
    log.info(temporal.encryption_in_words())
    if mail.server is None:
        log.info("e-mail is off: SMTP_URL is not set")
    elif mail.public_url is None:
        log.warning("e-mails have no links: PUBLIC_URL is not set")
    if notify.notify_url is None:
        log.info("the webhook to the host is off: NOTIFY_URL is not set")


def access_to_api(setting: settings.Api) -> Access:
    """Returns the object that authenticates the API's callers, as the settings configure it."""
    for secret in (setting.jwt_secret, setting.service_token):
        logs.register_secret(secret or "")
    keys = SigningKeys(setting.supabase_url) if setting.supabase_url else None
    users, service = UserTokens(setting.jwt_secret, keys), ServiceToken(setting.service_token)
    return Access(users, service, proxies=setting.trusted_proxies)


def notification_channels(mail: settings.Mail, notify: settings.Notify) -> list[Channel]:
    """Returns the notification channels that the settings configure."""
    channels: list[Channel] = []
    if mail.smtp_url and mail.server and mail.mail_from:
        for secret in (mail.smtp_url, mail.server.password or ""):
            logs.register_secret(secret)
        channels.append(Mail(mail.server, mail.mail_from, mail.public_url))
    if notify.notify_url:
        for secret in (notify.notify_url, *notify.secrets):
            logs.register_secret(secret)
        channels.append(HostWebhook(notify.notify_url, notify.secrets, allow_private=notify.notify_allow_private))
    return channels


def codec_application(setting: settings.CodecServer, encryption: settings.Payloads) -> web.Application | None:
    """Returns the codec server, or None if the settings allow nobody to use it."""
    if not setting.wanted:
        return None
    for secret in (setting.token or "", *encryption.secrets):
        logs.register_secret(secret)
    keys = SigningKeys(setting.codec_jwks_url, path="") if setting.codec_jwks_url else None
    readers = Readers(setting.token, keys=keys, audience=setting.codec_jwt_audience, names=setting.codec_readers)
    codec = PayloadEncryption(encryption.keys, encryption.encrypts_with)
    return codec_server.application(codec, readers.authenticate, setting.codec_allowed_origins)


async def serve(stop: asyncio.Event) -> None:
    """Serves until `stop` is set. Raises `BadInput` for wrong settings, and `Unreachable` if Postgres does not answer
    at the start.
    """
    settings.check(
        *(settings.Polar, settings.Webhook, settings.Api, settings.CodecServer, settings.Payloads, settings.Database),
        *(settings.Temporal, settings.Mail, settings.Notify, settings.Traces),
    )
    polar, listen = settings.load(settings.Polar), settings.load(settings.Webhook)
    callers, codec = settings.load(settings.Api), settings.load(settings.CodecServer)
    encryption = settings.load(settings.Payloads)
    at, queue = settings.load(settings.Database), settings.load(settings.Temporal).temporal_task_queue
    setting = polar.polar_webhook_secret.get_secret_value()
    signatures = Signatures(setting)
    for secret in (setting, *signatures.secrets, listen.scrape_token or ""):
        logs.register_secret(secret)
    access = access_to_api(callers)
    mail, notify = settings.load(settings.Mail), settings.load(settings.Notify)
    channels = notification_channels(mail, notify)
    async with (
        process.traced("webhook") as traced,
        Database(at.database_url) as database,
        Database(at.database_url, size=API_CONNECTIONS) as reading,
        Database(at.database_url, size=SENDER_CONNECTIONS) as sending,
    ):
        async with database.transaction() as connection:
            await check_rights(connection)
        interceptors = [traced.interceptor] if traced else []
        try:
            client = await temporal.connect(interceptors=interceptors)
        except Unreachable as error:
            log.warning("Temporal is away; deliveries are taken all the same", error=error.message)
            client = None
        reconciler = Reconciler(database, task_queue=queue, client=client, interceptors=interceptors)
        live = LiveJobs(reading)
        metrics = ServerMetrics(
            reading,
            channels=[each.name for each in channels],
            streams=lambda: live.streams,
            token=listen.scrape_token,
        )
        inbox = Inbox(
            database,
            polar.polar_retention_products,
            created=reconciler.hurry,
            finished=metrics.delivery_finished,
        )
        beside = own_routes(database, signatures, inbox, reconciler, metrics)
        origins = callers.api_allowed_origins
        api = server.application(reading, access, reconciler.hurry, origins=origins, more=live.routes, beside=beside)
        api.on_shutdown.append(live.close)
        page = Page(callers.api_allowed_origins)
        codecs = codec_application(codec, encryption)
        app = application(database, signatures, inbox, reconciler, api, codecs, page, metrics)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, listen.host, listen.port).start()
            except OSError as error:
                raise BadInput(
                    "HOST, PORT", f"cannot listen on {listen.host}:{listen.port}: {error.strerror}"
                ) from None
            for address in runner.addresses:
                log.info("listening", address=f"http://{address[0]}:{address[1]}")
            say_what_is_off(callers, codec, mail, notify)
            async with asyncio.TaskGroup() as loops:
                loops.create_task(inbox.run(stop))
                loops.create_task(reconciler.run(stop))
                loops.create_task(live.run(stop))
                loops.create_task(Sender(sending, channels).run(stop))
        finally:
            await runner.cleanup()
        log.info("stopped")


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


def _refused(request: web.Request, status: int, code: str, message: str) -> web.Response:
    """Answers a delivery with an error that the log has, too, because Polar counts it as a failed delivery."""
    log.warning("delivery refused", reason=message, remote=request.remote)
    return _error(status, code, message)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _allow_many_connections() -> None:
    """Increases this process' limit of open files. The limit is often 1,024, and each stream needs an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_STREAMS
    if soft not in (resource.RLIM_INFINITY, hard) and soft < wanted:
        at_most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (at_most, hard))


def main(arguments: Sequence[str] = ()) -> int:
    """Runs the server; returns the exit code of `process.run`."""
    _allow_many_connections()
    return process.run("webhook", __doc__, serve, arguments)


if __name__ == "__main__":
    process.leave(main(sys.argv[1:]))
