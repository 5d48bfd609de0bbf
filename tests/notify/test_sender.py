"""The sender: nothing is lost, nothing is sent twice, whoever is killed in between and however many send."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from errors import RetryNow
from notify import sender as sender_module
from notify.sender import AT_ONCE, GIVEN_UP_AFTER, KEPT, LONGEST_PAUSE, Sender, pause
from store import outbox
from store.database import Connection
from store.outbox import ChannelName, Outgoing
from tests.support.notify.world import World
from tests.support.waiting import eventually, so

MINUTE = timedelta(minutes=1)


class Line:
    """A channel that takes every message, or raises `fails` if it is set."""

    over = False

    def __init__(self, name: ChannelName = "mail") -> None:
        self._name = name
        self.took: list[Outgoing] = []
        self.fails: Exception | None = None
        self.held: asyncio.Event | None = None

    @property
    def name(self) -> Literal["mail", "webhook"]:
        return self._name

    async def send(self, message: Outgoing) -> None:
        if self.held:
            await self.held.wait()
        if self.fails:
            raise self.fails
        self.took.append(message)

    @property
    def milestones(self) -> list[tuple[str, str]]:
        return [(each.milestone.job_id, each.milestone.status) for each in self.took]


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    yield Line()


async def send_all(world: World, through: Line) -> None:
    sender = Sender(world.database, [through])
    while await sender.send_due(through):
        pass


async def test_two_senders_at_once_send_each_milestone_once_and_in_order(world: World) -> None:
    job_ids = [await world.ended() for _ in range(2 * AT_ONCE)]
    lines = Line(), Line()
    await asyncio.gather(*(send_all(world, each) for each in lines))
    await send_all(world, lines[0])  # what became due behind the other's last
    both = sorted(((each, its) for its in lines for each in its.took), key=lambda pair: pair[0].created_at)
    sent = Counter((each.milestone.job_id, each.milestone.status) for each, _ in both)
    assert sent == {(job_id, status): 1 for job_id in job_ids for status in ("started", "completed")}


async def test_what_somebody_is_claiming_is_left_out_and_not_waited_for(world: World) -> None:
    await world.begin()
    job_id = await world.begin()
    async with world.database.transaction() as one, world.database.transaction() as other:
        [first] = await outbox.claim(one, "mail", limit=1, lease=MINUTE)
        await other.execute("set local lock_timeout = '10s'")
        [second] = await outbox.claim(other, "mail", limit=2, lease=MINUTE)
    assert {first.milestone.job_id, second.milestone.job_id} == {first.milestone.job_id, job_id}
    assert first.id != second.id


async def test_a_jobs_end_waits_for_its_beginning(world: World, line: Line) -> None:
    stuck, other = await world.ended(), await world.ended()
    await world.host.execute(
        """
        update notification_outbox set next_attempt_at = now() + interval '1 hour'
        where backfill_job_id = $1 and milestone = 'started'
        """,
        stuck,
    )
    await send_all(world, line)
    assert line.milestones == [(other, "started"), (other, "completed")]
    await world.due()
    await send_all(world, line)
    assert line.milestones[2:] == [(stuck, "started"), (stuck, "completed")]


async def test_the_beginning_that_is_given_up_holds_the_end_no_longer(world: World, line: Line) -> None:
    job_id = await world.ended()
    await world.host.execute("update notification_outbox set status = 'given_up' where milestone = 'started'")
    await send_all(world, line)
    assert line.milestones == [(job_id, "completed")]


async def test_what_a_killed_sender_had_taken_is_sent_once_its_lease_is_over(world: World, line: Line) -> None:
    await world.begin()
    async with world.database.transaction() as connection:
        [taken] = await outbox.claim(connection, "mail", limit=1, lease=MINUTE)
    await send_all(world, line)
    assert not line.took
    await world.due()
    await send_all(world, line)
    assert [each.id for each in line.took] == [taken.id]
    assert await world.outbox() == [("started", "sent", 2)]


async def test_a_claim_that_is_rolled_back_leaves_the_message_to_others(world: World, line: Line) -> None:
    await world.begin()
    with pytest.raises(ZeroDivisionError):
        async with world.database.transaction() as connection:
            assert await outbox.claim(connection, "mail", limit=1, lease=MINUTE)
            raise ZeroDivisionError
    await send_all(world, line)
    assert await world.outbox() == [("started", "sent", 1)]


async def test_a_message_that_somebody_took_over_is_not_postponed_by_its_first_sender(world: World) -> None:
    await world.begin()
    async with world.database.transaction() as connection:
        [first] = await outbox.claim(connection, "mail", limit=1, lease=MINUTE)
    await world.due()
    async with world.database.transaction() as connection:
        [second] = await outbox.claim(connection, "mail", limit=1, lease=MINUTE)
        await outbox.postpone(connection, first, MINUTE, "too late")
        await outbox.close(connection, first, "given_up", "too late")
    assert await world.errors() == []
    async with world.database.transaction() as connection:
        await outbox.sent(connection, first)
        await outbox.postpone(connection, second, MINUTE, "it was sent by the other")
    assert await world.outbox() == [("started", "sent", 2)]


async def test_what_was_sent_while_postgres_went_away_is_written_down_later_and_not_sent_again(
    world: World, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "LOOK", 0.01)
    tries = 0
    sent = outbox.sent

    async def away(connection: Connection, message: Outgoing) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise RetryNow("database", "Postgres is away")
        await sent(connection, message)

    monkeypatch.setattr(outbox, "sent", away)
    await world.begin()
    await send_all(world, line)
    assert len(line.took) == 1
    assert await world.outbox() == [("started", "sent", 1)]


async def test_a_bug_postpones_its_message_and_no_other(world: World, line: Line) -> None:
    await world.begin()
    line.fails = ZeroDivisionError("division by zero")
    await send_all(world, line)
    assert await world.errors() == ["ZeroDivisionError: division by zero"]
    line.fails = None
    job_id = await world.begin()
    await send_all(world, line)
    assert line.milestones == [(job_id, "started")]


async def test_one_channel_does_not_wait_for_another(world: World) -> None:
    mail, webhook, stop = Line("mail"), Line("webhook"), asyncio.Event()
    mail.held = asyncio.Event()
    await world.ended()
    running = asyncio.create_task(Sender(world.database, [mail, webhook]).run(stop))
    await eventually(so(lambda: len(webhook.took) == 2))
    assert not mail.took
    stop.set()
    mail.held.set()
    await running
    assert len(mail.took) == 1  # what was being sent is sent to its end
    assert await world.outbox() == [("started", "sent", 1), ("completed", "pending", 0)]


async def test_a_channel_that_is_switched_on_later_sends_nothing_of_long_ago(world: World, line: Line) -> None:
    webhook = Line("webhook")
    await world.begin()
    await world.host.execute(
        "update notification_outbox set created_at = created_at - $1::interval", GIVEN_UP_AFTER + MINUTE
    )
    job_id = await world.begin()
    sender = Sender(world.database, [webhook])
    await sender.tidy()
    await send_all(world, line)
    assert line.milestones == [(job_id, "started")]
    assert await world.outbox() == [("started", "off", 0), ("started", "sent", 1)]
    assert await world.errors() == ["too old; no process sends on this channel"]


async def test_what_its_own_channel_could_not_even_try_in_time_is_given_up(world: World, line: Line) -> None:
    await world.begin()
    await world.host.execute(
        "update notification_outbox set created_at = created_at - $1::interval", GIVEN_UP_AFTER + MINUTE
    )
    await Sender(world.database, [line]).tidy()
    assert await world.outbox("mail") == [("started", "given_up", 0)]
    assert await world.errors("mail") == ["too old; it was never tried"]
    assert await world.outbox("webhook") == [("started", "off", 0)], "nobody asked for calls of a webhook"


async def test_a_message_that_is_being_sent_is_not_given_up(world: World) -> None:
    await world.begin()
    async with world.database.transaction() as connection:
        await outbox.claim(connection, "mail", limit=1, lease=MINUTE)
    await world.host.execute(
        "update notification_outbox set created_at = created_at - $1::interval", GIVEN_UP_AFTER + MINUTE
    )
    await Sender(world.database, []).tidy()
    assert await world.outbox("mail") == [("started", "pending", 1)]
    assert await world.outbox("webhook") == [("started", "off", 0)]


async def test_what_was_sent_long_ago_is_forgotten_and_what_waits_is_not(world: World, line: Line) -> None:
    await world.begin()
    await send_all(world, line)
    tidy = Sender(world.database, [line]).tidy
    await world.host.execute("update notification_outbox set ended_at = ended_at - $1::interval", KEPT - MINUTE)
    await tidy()
    assert await world.outbox() == [("started", "sent", 1)]
    await world.host.execute("update notification_outbox set ended_at = ended_at - $1::interval", 2 * MINUTE)
    await tidy()
    assert (await world.outbox(), await world.outbox("webhook")) == ([], [("started", "pending", 0)])


def test_pauses_grow_up_to_an_hour_and_are_never_the_same() -> None:
    assert timedelta(seconds=7) < pause(1) < timedelta(seconds=13)
    for attempts in range(1, 7):
        assert max(pause(attempts) for _ in range(20)) < min(pause(attempts + 1) for _ in range(20)) * 1.3
    assert 0.75 * LONGEST_PAUSE <= pause(1_000_000) <= 1.25 * LONGEST_PAUSE
    assert len({pause(3) for _ in range(20)}) > 1


async def test_the_next_attempt_is_after_the_pause(world: World, line: Line) -> None:
    await world.begin()
    line.fails = RetryNow("mail_server", "is away")
    before = datetime.now(UTC)
    await send_all(world, line)
    again = await world.host.fetchval("select next_attempt_at from notification_outbox where channel = 'mail'")
    assert again >= before + timedelta(seconds=7)
    assert await world.errors() == ["mail_server: is away"]
