"""The outbox as production has it: jobs end, `webhook.py` sends, and is killed while it does."""

import asyncio
import signal
from collections.abc import Mapping

import pytest

from sandbox.ports import LOOPBACK
from tests.support.notify.mailbox import MailServer
from tests.support.notify.receiver import SECRET, Receiver
from tests.support.notify.world import World
from tests.support.started import RunStarter, StartWebhook
from tests.support.waiting import PATIENCE, eventually, so


@pytest.fixture
def notifying(
    environment: dict[str, str], world: World, mail_server: MailServer, receiver: Receiver
) -> Mapping[str, str]:
    return environment | {
        "DATABASE_URL": world.dsn,
        "SMTP_URL": f"smtp://{LOOPBACK}:{mail_server.port}",
        "MAIL_FROM": "backfill@host.example",
        "PUBLIC_URL": "https://app.example",
        "NOTIFY_URL": receiver.url,
        "NOTIFY_SECRET": SECRET,
        "NOTIFY_ALLOW_PRIVATE": "true",
    }


async def test_a_program_killed_while_it_sends_is_followed_by_one_that_sends_each_milestone_once(
    notifying: Mapping[str, str],
    world: World,
    mail_server: MailServer,
    receiver: Receiver,
    start_webhook: StartWebhook,
) -> None:
    mail_server.held = asyncio.Event()
    job_id = await world.ended()
    killed, _ = await start_webhook(notifying)
    await mail_server.holding.wait()
    await eventually(so(lambda: len(receiver.calls) == 2))
    killed.send(signal.SIGKILL)
    await asyncio.to_thread(killed.wait, PATIENCE)
    mail_server.held.set()
    await world.due()  # the lease of what it was sending is over
    await start_webhook(notifying)

    async def all_sent() -> bool:
        return {status for _, status, _ in [*await world.outbox(), *await world.outbox("webhook")]} == {"sent"}

    await eventually(all_sent)
    assert [message["Subject"] for message in mail_server.taken] == [
        "acme: fetching 30 days of history",
        "acme: 30 days of history fetched",
    ]
    events = [call.verified() for call in receiver.calls]
    assert {event["type"] for event in events} == {"backfill.started", "backfill.completed"}
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 2
    assert all(event["data"]["job_id"] == job_id for event in events if isinstance(event["data"], dict))


async def test_what_waits_is_listed_with_what_stands_in_its_way(
    environment: dict[str, str], world: World, run_starter: RunStarter
) -> None:
    at = environment | {"DATABASE_URL": world.dsn, "COLUMNS": "200"}
    assert "every notification is sent" in (await run_starter(at, "list", "--unsent")).stdout
    await world.begin()
    await world.host.execute(
        "update notification_outbox set error = 'refused: [bold]550[/bold]' where channel = 'mail'"
    )
    ended = await run_starter(at, "list", "--unsent")
    assert ended.exit_code == 0
    assert "refused: [bold]550[/bold]" in ended.stdout
    assert "acme" in ended.stdout
    assert "not tried yet; webhook.py tries it if NOTIFY_URL is set" in ended.stdout
    assert '"channel": "webhook"' in (await run_starter(at, "list", "--unsent", "--json")).stdout
