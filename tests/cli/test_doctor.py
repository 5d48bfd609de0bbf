"""`starter.py doctor`: each thing that can be wrong is one line that names it and says what to do."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

import temporal
from cli.checks import github as github_checks
from cli.checks import postgres as postgres_checks
from cli.checks import services
from cli.checks.finding import Finding, bad_setting, exit_code, ok, trouble
from errors import BadInput, PartOver, Unreachable
from github.transport.health import Budget, Health
from sandbox.embeddings import EmbeddingServer
from sandbox.github import Limits, StandIn, World
from sandbox.polar import PolarServer
from sandbox.ports import LOOPBACK
from store import health
from tests.support import shop
from tests.support.cli.operator import NOWHERE, Operator
from tests.support.keys import private_key, public_key
from tests.support.notify.mailbox import MailServer
from tests.support.pooler import pooling
from tests.support.waiting import PATIENCE, eventually

WEBHOOK = {"url": "https://backfill.example.com/webhooks/polar", "events": list(services.EVENTS), "enabled": True}
pytestmark = pytest.mark.usefixtures("polled")
SECRETS = ("hunter2", "ghp_ann", "polar_oat_sandbox", "sk-sandbox")
NOBODY = f"http://{LOOPBACK}:1"


@activity.defn
async def nothing() -> None:
    """For a worker that only polls."""


@pytest.fixture(scope="module")
async def polled(temporal_client: Client, listened_queue: str) -> AsyncIterator[None]:
    """Workers on every task queue, beside the one that listens."""
    async with AsyncExitStack() as stack:
        for suffix in ("", "-recent", "-historical"):
            worker = Worker(temporal_client, task_queue=f"{listened_queue}{suffix}", activities=[nothing])
            await stack.enter_async_context(worker)

        async def known() -> bool:
            """Whether the server has heard of all of them: a worker polls some time after it began."""
            kinds = {"": True, "-recent": False, "-historical": False}
            polling = [
                await temporal.pollers(temporal_client, f"{listened_queue}{suffix}", workflows=workflows)
                for suffix, workflows in kinds.items()
            ]
            return all(polling)

        await eventually(known)
        yield


@pytest.fixture
def github() -> Iterator[StandIn]:
    world = World()
    world.account("ann")
    with StandIn(world, tokens={"ghp_ann": "ann"}) as github:
        yield github


@dataclass
class Clinic:
    """Everything that a backfill needs, all of it well; tests break one thing."""

    operator: Operator
    monkeypatch: pytest.MonkeyPatch
    github: StandIn
    polar: PolarServer
    embeddings: EmbeddingServer
    mail: MailServer

    def set(self, **environment: str) -> None:
        for name, value in environment.items():
            self.monkeypatch.setenv(name, value)

    async def examined(self) -> tuple[int, list[Finding]]:
        said = await self.operator("doctor", "--json")
        assert said.err == ""
        report = json.loads(said.out)
        assert report["exit_code"] == said.exit_code
        assert not [
            secret for secret in ("hunter2", "ghp_ann", "polar_oat_sandbox", "sk-sandbox") if secret in said.out
        ]
        return said.exit_code, [Finding.model_validate(each) for each in report["findings"]]


@pytest.fixture
async def clinic(operator: Operator, github: StandIn, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clinic]:
    async with PolarServer() as polar, EmbeddingServer() as embeddings, MailServer() as mail:
        polar.webhooks = [dict(WEBHOOK)]
        # How full the disk of the machine is that runs the tests is nothing that they can mend.
        monkeypatch.setattr(health, "disk_usage", lambda _path: SimpleNamespace(total=100, free=50))
        # A busy machine's Temporal takes longer to say that it has no such namespace.
        monkeypatch.setattr(temporal, "CONNECT_SECONDS", PATIENCE)
        clinic = Clinic(operator, monkeypatch, github, polar, embeddings, mail)
        clinic.set(
            GITHUB_API_URL=github.url,
            GITHUB_TOKENS="ghp_ann",
            GITHUB_BUDGET_SHARE="0.8",
            OPENAI_BASE_URL=embeddings.url,
            OPENAI_API_KEY=embeddings.token,
            POLAR_API_URL=polar.url,
            POLAR_ACCESS_TOKEN=polar.token,
            SMTP_URL=f"smtp://{LOOPBACK}:{mail.port}?starttls=never",
            MAIL_FROM="backfill@example.com",
        )
        yield clinic


async def test_where_all_is_well_it_exits_with_0(clinic: Clinic) -> None:
    exit_code, findings = await clinic.examined()
    assert [each for each in findings if each.state == "failure"] == []
    assert exit_code == 0
    queue = clinic.operator.task_queue
    assert {each.check for each in findings} >= {
        "Postgres",
        "clock of Postgres",
        "disk of Postgres",
        "pooler",
        "migrations",
        "embedding dimensions",
        "Temporal",
        "search attributes",
        f"task queue {queue}",
        f"task queue {queue}-recent",
        f"task queue {queue}-historical",
        "GitHub, token 1 of 1",
        "OpenAI",
        "Polar",
        "Polar's webhook",
        "Polar's deliveries",
        "e-mail",
        "jobs",
        "deliveries",
        "notifications",
    }
    [account] = [each for each in findings if each.check.startswith("GitHub, token")]
    assert account.what.startswith("ann: ") and "points left" in account.what and "REST requests left" in account.what


Break = Callable[[Clinic], Awaitable[None] | None]


def settings(**environment: str) -> Break:
    return lambda clinic: clinic.set(**environment)


def token_unknown(clinic: Clinic) -> None:
    clinic.github.tokens.clear()


def budget_spent(clinic: Clinic) -> None:
    clinic.github.limits = replace(clinic.github.limits or Limits(), graphql=1)


def app_lacks_a_permission(clinic: Clinic) -> None:
    app = clinic.github.world.add_app(public_key())
    del app.install("acme").permissions["issues"]
    clinic.set(GITHUB_APP_ID=str(app.database_id), GITHUB_APP_PRIVATE_KEY=private_key())


def polar_endpoint(**changes: Any) -> Break:
    def change(clinic: Clinic) -> None:
        clinic.polar.webhooks[0].update(changes)

    return change


def polar_scopes(clinic: Clinic) -> None:
    clinic.polar.scopes = frozenset({"subscriptions:read"})


def no_polar_endpoint(clinic: Clinic) -> None:
    clinic.polar.webhooks.clear()


async def unheard_job(clinic: Clinic) -> None:
    job = await clinic.operator.start()
    await clinic.operator.set(job["id"], signaled_at=None, updated_at=job["created_at"] - timedelta(hours=1))


async def quiet_job(clinic: Clinic) -> None:
    job = await clinic.operator.start()
    await clinic.operator.set(job["id"], status="in_progress", updated_at=job["created_at"] - timedelta(hours=2))


async def job_without_workflow(clinic: Clinic) -> None:
    job = await clinic.operator.start()
    before = job["created_at"] - timedelta(minutes=5)
    await clinic.operator.set(job["id"], status="in_progress", signaled_at=before, updated_at=before)
    await clinic.operator.workflow.terminate("by a test")


async def blocked_delivery(clinic: Clinic) -> None:
    await shop.deliver(clinic.operator.host, shop.event(buyer=shop.Buyer()))
    await clinic.operator.host.execute(
        "update webhook_deliveries set attempts = 3, error = 'unknown_buyer: nobody is known by that id'"
    )


async def notification_given_up(clinic: Clinic) -> None:
    job = await clinic.operator.start()
    await clinic.operator.host.execute(
        """
        insert into notification_outbox (
            channel, milestone, backfill_job_id, job_attempt, content, status, attempts, error
        ) values ('mail', 'started', $1, 0, '{}', 'given_up', 9, 'mail_server: 554 no such user')
        """,
        job["id"],
    )


async def notifications_untried(clinic: Clinic) -> None:
    job = await clinic.operator.start()
    await clinic.operator.host.execute(
        """
        insert into notification_outbox (channel, milestone, backfill_job_id, job_attempt, content)
        select channel, 'started', $1, 0, '{}' from unnest('{mail,webhook}'::text[]) channel
        """,
        job["id"],
    )


@pytest.mark.parametrize(
    ("broken", "check", "state", "what", "to_do", "exit_code"),
    [
        pytest.param(*case[1:], id=case[0])
        for case in [
            ("no database set", settings(DATABASE_URL=""), "Postgres", "failure", "DATABASE_URL: missing", "set", 2),
            (
                "no postgres",
                settings(DATABASE_URL=NOWHERE),
                "Postgres",
                "failure",
                "does not answer",
                "Postgres runs",
                1,
            ),
            (
                "other dimensions",
                settings(EMBEDDING_DIMENSIONS="512"),
                "embedding dimensions",
                "failure",
                "EMBEDDING_DIMENSIONS",
                "set EMBEDDING_DIMENSIONS",
                1,
            ),
            (
                "no temporal",
                settings(TEMPORAL_ADDRESS=f"{LOOPBACK}:1"),
                "Temporal",
                "failure",
                "cannot be reached",
                "TEMPORAL_ADDRESS",
                1,
            ),
            (
                "no namespace",
                settings(TEMPORAL_NAMESPACE="nowhere"),
                "Temporal",
                "failure",
                "there is no namespace nowhere",
                "TEMPORAL_NAMESPACE",
                1,
            ),
            (
                "no worker",
                settings(TEMPORAL_TASK_QUEUE="deserted"),
                "task queue deserted-historical",
                "failure",
                "no worker polls it: nothing older than 90 days",
                "start worker.py with TEMPORAL_TASK_QUEUE=deserted",
                1,
            ),
            ("bad token", token_unknown, "GitHub, token 1 of 1", "failure", "401", "valid token into GITHUB_TOKENS", 1),
            (
                "no github",
                settings(GITHUB_API_URL=NOBODY),
                "GitHub, token 1 of 1",
                "failure",
                "cannot be",
                "GITHUB_API",
                1,
            ),
            ("budget spent", budget_spent, "GitHub, token 1 of 1", "warning", "0 of 1 points", "add an account", 0),
            (
                "app lacks a permission",
                app_lacks_a_permission,
                "GitHub, installation of acme",
                "failure",
                "lacks the permission to read issues",
                "accept them",
                1,
            ),
            (
                "bad share",
                settings(GITHUB_BUDGET_SHARE="7"),
                "GitHub",
                "failure",
                "GITHUB_BUDGET_SHARE",
                "set GITHUB_BUDGET_SHARE",
                2,
            ),
            (
                "bad openai key",
                settings(OPENAI_API_KEY="sk-x"),
                "OpenAI",
                "failure",
                "does not accept",
                "OPENAI_API",
                1,
            ),
            ("no openai key", settings(OPENAI_API_KEY=""), "OpenAI", "warning", "embeddings are skipped", "set it", 0),
            (
                "bad polar token",
                settings(POLAR_ACCESS_TOKEN="polar_oat_x"),
                "Polar",
                "failure",
                "does not accept it",
                "new access token",
                1,
            ),
            ("polar scope", polar_scopes, "Polar's webhook", "warning", "not known", "webhooks:read", 0),
            ("no endpoint", no_polar_endpoint, "Polar's webhook", "failure", "no webhook", "add one", 1),
            (
                "endpoint off",
                polar_endpoint(enabled=False),
                "Polar's webhook",
                "failure",
                "switched off",
                "enable it",
                1,
            ),
            (
                "endpoint deaf",
                polar_endpoint(events=["order.paid"]),
                "Polar's webhook",
                "failure",
                "is not sent subscription.active",
                "select these events",
                1,
            ),
            (
                "no mail server",
                settings(SMTP_URL=f"smtp://{LOOPBACK}:1?starttls=never"),
                "e-mail",
                "failure",
                f"{LOOPBACK}:1",
                "check SMTP_URL",
                1,
            ),
            (
                "unheard job",
                unheard_job,
                "jobs",
                "failure",
                "Temporal has not heard of job",
                "webhook.py or a worker",
                1,
            ),
            (
                "quiet job",
                quiet_job,
                "jobs",
                "failure",
                "nothing was written for an hour of job",
                "starter.py status",
                1,
            ),
            ("no workflow", job_without_workflow, "jobs", "failure", "and its workflow", "starter.py retry", 1),
            ("delivery", blocked_delivery, "deliveries", "failure", "unknown_buyer", "list --unprocessed", 1),
            ("notification", notification_given_up, "notifications", "warning", "554 no such user", "list --unsent", 0),
            ("untried", notifications_untried, "notifications", "warning", "1 notifications wait", "webhook.py", 0),
        ]
    ],
)
async def test_what_is_broken_is_named_with_what_to_do(
    clinic: Clinic, broken: Break, check: str, state: str, what: str, to_do: str, exit_code: int
) -> None:
    if (under_way := broken(clinic)) is not None:
        await under_way
    code, findings = await clinic.examined()
    found = [each for each in findings if each.check == check and each.state == state]
    assert [each for each in found if what in each.what and to_do in each.to_do], found or findings
    assert code == exit_code
    # Whatever is well is not blamed.
    others = {each.check.partition(",")[0] for each in findings if each.state == "failure"}
    assert len({each.split(" ")[0].removesuffix("'s") for each in others}) <= 2, others


async def test_notifications_that_no_setting_asks_for_are_no_warning(clinic: Clinic) -> None:
    await notifications_untried(clinic)
    clinic.set(SMTP_URL="")
    _, findings = await clinic.examined()
    [found] = [each for each in findings if each.check == "notifications"]
    assert found.state == "ok"
    assert found.what == "2 are kept for three days, as SMTP_URL and NOTIFY_URL are not set here"


async def test_a_database_of_another_release(clinic: Clinic, empty_database: str) -> None:
    clinic.set(DATABASE_URL=empty_database)
    code, findings = await clinic.examined()
    [migrations] = [each for each in findings if each.check == "migrations"]
    assert (code, migrations.state) == (1, "failure")
    assert "created" in migrations.what and "starter.py migrate" in migrations.to_do
    async with shop.connected(empty_database) as host:
        assert await host.fetchval("select count(*) from pg_tables where schemaname = 'public'") == 0, "it only looks"


async def test_a_transaction_pooler_needs_a_direct_address_beside_it(clinic: Clinic) -> None:
    direct = clinic.operator.environment["DATABASE_URL"]
    async with pooling(direct) as pooled:
        clinic.set(DATABASE_URL=pooled)
        _, findings = await clinic.examined()
        [pooler] = [each for each in findings if each.check == "pooler"]
        assert (pooler.state, "set DATABASE_DIRECT_URL" in pooler.to_do) == ("failure", True)
        clinic.set(DATABASE_DIRECT_URL=direct)
        code, findings = await clinic.examined()
    [pooler] = [each for each in findings if each.check == "pooler"]
    assert (code, pooler.state) == (0, "ok")
    assert pooler.what == "DATABASE_URL leads through a transaction pooler, which is fine; the direct one is direct"


@pytest.mark.parametrize("smtp_url", [f"smtp://{LOOPBACK}:1?starttls=never", ""], ids=["e-mails", "no e-mails"])
async def test_where_no_server_answers_it_exits_with_3(clinic: Clinic, smtp_url: str) -> None:
    clinic.set(
        DATABASE_URL=NOWHERE,
        TEMPORAL_ADDRESS=f"{LOOPBACK}:1",
        GITHUB_API_URL=NOBODY,
        OPENAI_API_KEY="",
        POLAR_ACCESS_TOKEN="",
        SMTP_URL=smtp_url,
    )
    code, findings = await clinic.examined()
    assert code == 3
    assert {each.state for each in findings if each.checked} == {"failure", "warning"}


async def test_for_people_it_is_a_line_each_and_a_count(clinic: Clinic) -> None:
    clinic.polar.webhooks.clear()
    said = await clinic.operator("doctor")
    assert said.exit_code == 1
    lines = [" ".join(line.split()) for line in said.out.splitlines() if line.strip()]
    failure = next(place for place, line in enumerate(lines) if line.startswith("✗ failure Polar's webhook: "))
    assert lines[failure + 1].startswith("→ add one in Polar's settings")
    assert [line for line in lines if line.startswith("✓ ok Temporal: answers at")]
    assert lines[-1].startswith("1 failure")


@pytest.mark.parametrize(("ahead", "way"), [(60, "60 s ahead of"), (-90, "90 s behind")])
def test_clocks_that_differ_are_told_with_the_direction(ahead: float, way: str) -> None:
    found = postgres_checks.clock("clock of Postgres", ahead, "Postgres")
    assert (found.state, way in found.what, "NTP" in found.to_do) == ("warning", True, True)
    assert postgres_checks.clock("clock of Postgres", 1, "Postgres").state == "ok"


@pytest.mark.parametrize(("share", "state"), [(0.5, "ok"), (0.1, "warning"), (0.01, "failure"), (None, "ok")])
def test_a_disk_that_fills_up_is_told_in_time(share: float | None, state: str) -> None:
    free = None if share is None else int(share * 1e12)
    found = postgres_checks.disk(health.Server("18.0", timedelta(), 0, share, free))
    assert found.state == state


BUDGETS = {"graphql": Budget(5_000, 4_900, datetime.now(UTC) + timedelta(minutes=30))}


@pytest.mark.parametrize(
    ("credential", "private", "state", "what"),
    [
        (Health("token", "ann", frozenset({"repo"}), budgets=BUDGETS), 3, "ok", "scopes: repo"),
        (Health("token", "ann", frozenset(), budgets=BUDGETS), 0, "ok", "none, public repositories only"),
        (
            Health("token", "ann", frozenset({"read:org"}), budgets=BUDGETS),
            3,
            "warning",
            "3 repositories of workspaces",
        ),
        (Health("token", "ann", budgets=BUDGETS), 3, "ok", "4,900 of 5,000 points left"),
        (Health("installation of acme", error=PartOver("suspended", "it is suspended")), 0, "failure", "suspended"),
    ],
    ids=["scope", "public", "no scope", "fine-grained", "suspended"],
)
def test_what_a_credential_may_see_is_compared_with_what_there_is(
    credential: Health, private: int, state: str, what: str
) -> None:
    found = github_checks.credential(credential, 0.8, private)
    assert (found.state, what in found.what) == (state, True), found


def test_exit_codes() -> None:
    missing, away = bad_setting("x", BadInput("X", "missing")), trouble("y", Unreachable("y", "does not answer"))
    assert exit_code([ok("x", "")]) == 0
    assert exit_code([away]) == 3
    assert exit_code([ok("x", ""), away]) == 1, "something could be checked"
    assert exit_code([missing, away]) == 2
