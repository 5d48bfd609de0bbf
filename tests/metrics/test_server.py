"""`GET /metrics`: what the server counts, and how the system stands in Postgres, as Prometheus reads it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families

import webhook
from metrics.server import FRESH_SECONDS, ServerMetrics
from polar.inbox import Inbox
from polar.signature import Signatures
from reconciler.loop import Reconciler
from sandbox.postgres import Postgres
from store.database import Database
from tests.support import shop
from tests.support.programs import ROOT
from tests.support.serving import serving
from tests.support.started import StartWebhook
from tests.support.waiting import eventually

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> Samples:
    """Samples by name and sorted labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((f"backfill_{name}", tuple(sorted(labels.items()))))


@pytest.fixture(scope="module")
def database(module_database: str) -> str:
    return module_database


@pytest.fixture(autouse=True)
async def host(database: str) -> AsyncIterator[asyncpg.Connection]:
    async with shop.emptied(database) as connection:
        yield connection


class Server:
    """A served `/metrics`, whose Postgres is read at each scrape."""

    def __init__(self, url: str, http: aiohttp.ClientSession, metrics: ServerMetrics, inbox: Inbox) -> None:
        self.url, self.http, self.metrics, self.inbox = url, http, metrics, inbox

    async def scrape(self, **headers: str) -> Samples:
        self.metrics._read_at -= FRESH_SECONDS
        async with self.http.get(f"{self.url}/metrics", headers=headers) as response:
            assert response.status == 200
            assert response.headers["Content-Type"].startswith("text/plain; version=")
            return parsed(await response.text())


@asynccontextmanager
async def measured(dsn: str, token: str | None = None) -> AsyncIterator[Server]:
    async with Database(dsn) as pool, aiohttp.ClientSession() as http:
        metrics = ServerMetrics(pool, channels=["mail"], streams=lambda: 3, token=token)
        inbox = Inbox(pool, shop.PRODUCTS, lambda: None, metrics.delivery_finished)
        reconciler = Reconciler(pool, task_queue="nobody's")
        app = webhook.application(pool, Signatures(shop.SECRET), inbox, reconciler, metrics=metrics)
        async with serving(app) as url:
            yield Server(url, http, metrics, inbox)


@pytest.fixture
async def server(database: str) -> AsyncIterator[Server]:
    async with measured(database) as served:
        yield served


async def test_requests_are_counted_by_route_and_never_by_path(server: Server) -> None:
    for path in ("/healthz", "/healthz", "/nothing/of/this/name", f"/{'x' * 50}"):
        async with server.http.get(f"{server.url}{path}"):
            pass
    async with server.http.post(f"{server.url}/webhooks/polar", data=b"{}"):
        pass
    samples = await server.scrape()
    assert of(samples, "http_requests_total", method="GET", route="/healthz", status="200") == 2
    assert of(samples, "http_requests_total", method="POST", route="/webhooks/polar", status="403") == 1
    assert of(samples, "http_requests_total", method="any", route="none", status="404") == 2
    assert of(samples, "http_request_seconds_count", method="GET", route="/healthz") == 2
    assert of(samples, "streams") == 3


async def test_the_lag_of_a_delivery_is_observed_once_it_is_finished(server: Server, host: asyncpg.Connection) -> None:
    await shop.deliver(host, shop.event(buyer=shop.Buyer()))  # a buyer whom nobody knows
    await host.execute("update webhook_deliveries set received_at = received_at - interval '40 seconds'")
    assert await server.inbox.finish_one()
    samples = await server.scrape()
    assert of(samples, "delivery_lag_seconds_count") == 0
    assert of(samples, "unprocessed_deliveries") == 1
    assert 40 <= (of(samples, "oldest_unprocessed_delivery_seconds") or 0) < 400
    buyer = await shop.buyer(host)
    await shop.workspace(host, buyer, "octo/rocket")
    await shop.deliver(host, shop.event(buyer=buyer, subscription="another"))
    await host.execute("update webhook_deliveries set received_at = now() - interval '50 seconds' where attempts = 0")
    assert await server.inbox.finish_one()
    samples = await server.scrape()
    assert of(samples, "delivery_lag_seconds_count") == 1
    assert (of(samples, "delivery_lag_seconds_bucket", le="30.0"), of(samples, "unprocessed_deliveries")) == (0, 1)
    assert of(samples, "jobs", status="pending") == 1
    assert of(samples, "unsignaled_jobs") == 1
    assert of(samples, "addons", status="active") == 1


async def test_jobs_repositories_and_what_they_wait_for(server: Server, host: asyncpg.Connection) -> None:
    buyer = await shop.buyer(host)
    workspace_id = await shop.workspace(host, buyer, "octo/a", "octo/b", "octo/c")
    insert = """
        insert into workspace_backfill_jobs
          (workspace_id, retention_days, cutoff_at, backfill_types, status, created_at, signaled_at, metadata)
        values ($1, 1, now(), '{issues}', $2, now() - $3::interval, now(), $4) returning id
    """
    going = await host.fetchval(insert, workspace_id, "in_progress", timedelta(minutes=5), {})
    await host.fetchval(insert, workspace_id, "in_progress", timedelta(hours=5), {"paused_at": "2026-01-01T00:00:00Z"})
    ended = await host.fetchval(insert, workspace_id, "completed", timedelta(days=5), {})
    put = """
        insert into workspace_backfill_progress (backfill_job_id, repository_id, status, metadata)
        select $1, id, $2, $3 from repositories where full_name = $4
    """
    wait = {"waiting": {"reason": "github_limit"}}
    await host.execute(put, going, "in_progress", wait, "octo/a")
    await host.execute(put, going, "in_progress", {}, "octo/b")
    await host.execute(put, going, "failed", {}, "octo/c")
    await host.execute(put, ended, "completed", wait, "octo/a")
    await host.execute(
        """
        insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, leased_at)
        select $1, id, 'issues', 'in_progress', now() - interval '11 minutes' from repositories
        """,
        going,
    )
    await host.execute(
        """
        insert into backfill_notes (repository_id, data_type, what, kind, count)
        select id, 'issues', 'comments', 'hidden', 2 from repositories
        """
    )
    samples = await server.scrape()
    assert {of(samples, "jobs", status=each) for each in ("in_progress", "paused", "completed")} == {1}
    assert 300 <= (of(samples, "oldest_unfinished_job_seconds") or 0) < 3_600, "a paused job is nobody's alarm"
    assert of(samples, "repositories", status="in_progress") == 2
    assert of(samples, "repositories", status="completed") is None
    assert of(samples, "waiting_repositories", reason="github_limit") == 1
    assert of(samples, "silent_sweeps") == 2, "the one that waits is silent for a reason"
    assert of(samples, "notes", kind="hidden") == 6


async def test_a_notification_waits_only_where_somebody_sends_it(server: Server, host: asyncpg.Connection) -> None:
    buyer = await shop.buyer(host)
    job_id = await host.fetchval(
        """
        insert into workspace_backfill_jobs (workspace_id, retention_days, cutoff_at, backfill_types, status)
        values ($1, 1, now(), '{issues}', 'in_progress') returning id
        """,
        await shop.workspace(host, buyer, "octo/a"),
    )
    await host.execute(
        """
        insert into notification_outbox (channel, milestone, backfill_job_id, job_attempt, content, created_at)
        select channel, 'started', $1, 0, '{}', now() - interval '2 hours' from unnest('{mail,webhook}'::text[]) channel
        """,
        job_id,
    )
    samples = await server.scrape()
    assert {of(samples, "notifications", channel=each, status="pending") for each in ("mail", "webhook")} == {1}
    assert (of(samples, "oldest_pending_notification_seconds", channel="mail") or 0) >= 7_200
    assert of(samples, "oldest_pending_notification_seconds", channel="webhook") is None, "it would alarm for ever"


async def test_budgets_limits_and_servers_that_are_away(server: Server, host: asyncpg.Connection) -> None:
    state = """
        insert into github_budgets (account, resource, state) values ('user:1', 'graphql', jsonb_build_object(
          'windows', jsonb_build_array(
            jsonb_build_object('limit', 5000, 'used', 4000, 'resets_at', now() + interval '1 hour'),
            jsonb_build_object('limit', 60, 'used', 60, 'resets_at', now() - interval '1 second')),
          'paused_until', now() + interval '1 minute'))
    """
    await host.execute("truncate github_budgets cascade")
    await host.execute(state)
    away = {"apis": {"graphql": {"away": True}, "core": {"away": False}}}
    await host.execute("insert into github_availability (server, state) values ('https://a.example', $1)", away)
    samples = await server.scrape()
    of_account = {"account": "user:1", "resource": "graphql"}
    assert of(samples, "github_budget_limit", **of_account) == 5000
    assert of(samples, "github_budget_left", **of_account) == 1000
    assert 0 < (of(samples, "github_budget_paused_seconds", **of_account) or 0) <= 60
    assert of(samples, "server_away", server="https://a.example", api="graphql") == 1
    assert of(samples, "server_away", server="https://a.example", api="core") == 0


async def test_without_postgres_it_answers_and_says_so(postgres: Postgres, migrated_template: str) -> None:
    async with shop.database(postgres, migrated_template) as dsn, measured(dsn) as server:
        assert of(await server.scrape(), "postgres_up") == 1
        name = dsn.rpartition("/")[2].partition("?")[0]
        async with shop.connected(await postgres.create_database(f"beside_{name}")) as beside:
            await beside.execute(f"alter database {name} allow_connections false")
            await beside.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
            samples = await server.scrape()
            assert of(samples, "postgres_up") == 0
            assert of(samples, "oldest_unfinished_job_seconds") is None
            assert of(samples, "streams") == 3
            await beside.execute(f"alter database {name} allow_connections true")
            assert of(await server.scrape(), "postgres_up") == 1


async def test_a_scrape_soon_after_another_reads_postgres_no_second_time(
    server: Server, host: asyncpg.Connection
) -> None:
    await server.scrape()
    await shop.deliver(host, {"type": "x"})
    async with server.http.get(f"{server.url}/metrics") as response:
        assert of(parsed(await response.text()), "unprocessed_deliveries") == 0
    assert of(await server.scrape(), "unprocessed_deliveries") == 1


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer other", "Bearer ünïcode", "secret"])
async def test_with_a_token_only_who_has_it_may_scrape(database: str, given: str) -> None:
    async with measured(database, token="secret") as server:
        async with server.http.get(f"{server.url}/metrics", headers={"Authorization": given}) as response:
            assert response.status == 401
            assert "backfill" not in await response.text()
        assert of(await server.scrape(Authorization="Bearer secret"), "postgres_up") == 1


async def test_the_program_serves_its_metrics(
    environment: dict[str, str], start_webhook: StartWebhook, host: asyncpg.Connection
) -> None:
    _, url = await start_webhook({**environment, "METRICS_TOKEN": "of-the-scraper"})
    buyer = await shop.buyer(host)
    body, headers = shop.signed(shop.event(buyer=buyer))
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{url}/webhooks/polar", data=body, headers=headers) as response:
            assert response.status == 202

        async def observed() -> bool:
            async with http.get(f"{url}/metrics", headers={"Authorization": "Bearer of-the-scraper"}) as response:
                return of(parsed(await response.text()), "delivery_lag_seconds_count") == 1

        await eventually(observed)
        async with http.get(f"{url}/api/openapi.json") as response:
            described = (await response.json())["paths"]
            assert {"/webhooks/polar", "/healthz", "/readyz", "/metrics"} < described.keys()
        async with http.get(f"{url}/metrics", headers={"Authorization": "Bearer of-the-scraper"}) as response:
            samples = parsed(await response.text())
    assert of(samples, "http_requests_total", method="GET", route="/api/openapi.json", status="200") == 1


async def test_the_docs_name_every_metric(server: Server) -> None:
    documented = set(re.findall(r"^\| `(backfill_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    async with server.http.get(f"{server.url}/metrics") as response:
        families = list(text_string_to_metric_families(await response.text()))
    served = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    assert {each for each in served if not each.endswith("_created")} <= documented
    of_workers = set(re.findall(r'"(backfill_\w+)"', (ROOT / "activities" / "measures.py").read_text()))
    assert documented - served == {each if each.endswith("_seconds") else f"{each}_total" for each in of_workers}
