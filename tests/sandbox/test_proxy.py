"""The proxy passes what it should, breaks what it is told to, and counts what it broke."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from sandbox.ports import LOOPBACK
from sandbox.proxy import Proxy, Way
from tests.support.waiting import eventually, so

MESSAGE = b"x" * 1_000
LONG = 60
"""Seconds that a fault lasts unless it is canceled."""


@dataclass
class Echo:
    """A server that says again what it hears, and remembers it."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    connected: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        try:
            while message := await reader.read(65_536):
                self.heard += message
                writer.write(message)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.connected -= 1
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    async with await asyncio.start_server(echo.serve, LOOPBACK, 0) as server:
        echo.port = server.sockets[0].getsockname()[1]
        yield echo


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    async with Proxy(echo.port) as proxy:
        yield proxy


class Client:
    """A connection by the proxy that has been used once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, message: bytes) -> None:
        self.writer.write(message)
        await self.writer.drain()

    async def exchange(self, message: bytes) -> bytes:
        await self.say(message)
        return await self.reader.readexactly(len(message))


async def connect(proxy: Proxy) -> Client:
    client = Client(*await asyncio.open_connection(LOOPBACK, proxy.port))
    assert await client.exchange(b"hello") == b"hello"
    return client


async def struck(proxy: Proxy, way: Way) -> None:
    await eventually(so(lambda: proxy.struck[way] > 0))


async def test_both_directions_pass_in_full(proxy: Proxy, echo: Echo) -> None:
    client = await connect(proxy)
    everything = MESSAGE * 1_000
    saying = asyncio.create_task(client.say(everything))
    assert await client.reader.readexactly(len(everything)) == everything
    await saying
    assert echo.heard == b"hello" + everything
    assert not proxy.struck


async def test_the_end_of_what_a_client_says_reaches_the_server_and_comes_back(proxy: Proxy) -> None:
    client = await connect(proxy)
    client.writer.write_eof()
    assert await client.reader.read() == b""


async def test_a_cut_resets_each_connection_and_no_later_one(proxy: Proxy) -> None:
    clients = [await connect(proxy) for _ in range(3)]
    assert await proxy.strike("cut") == 3
    for client in clients:
        with pytest.raises(ConnectionResetError):
            await client.reader.read()
    await connect(proxy)


async def test_half_of_a_message_arrives_before_the_reset(proxy: Proxy, echo: Echo) -> None:
    client = await connect(proxy)
    striking = asyncio.create_task(proxy.strike("halved", LONG))
    await asyncio.sleep(0)
    await client.say(MESSAGE)
    with pytest.raises(ConnectionResetError):
        await client.reader.read()
    assert echo.heard == b"hello" + MESSAGE[: len(MESSAGE) // 2]
    assert proxy.struck == {"halved": 1}
    striking.cancel()


async def test_half_of_an_answer_looks_like_all_of_it_where_it_is_truncated(proxy: Proxy, echo: Echo) -> None:
    client = await connect(proxy)
    striking = asyncio.create_task(proxy.strike("truncated", LONG, "back"))
    await asyncio.sleep(0)
    await client.say(MESSAGE)
    assert await client.reader.read() == MESSAGE[: len(MESSAGE) // 2]
    assert echo.heard == b"hello" + MESSAGE
    assert proxy.struck == {"truncated": 1}
    striking.cancel()


async def test_a_delayed_message_arrives_whole(proxy: Proxy) -> None:
    client = await connect(proxy)
    striking = asyncio.create_task(proxy.strike("delayed", LONG))
    await asyncio.sleep(0)
    assert await client.exchange(MESSAGE) == MESSAGE
    assert proxy.struck == {"delayed": 1}
    striking.cancel()


async def test_silence_swallows_what_is_said_and_ends_with_a_reset(proxy: Proxy, echo: Echo) -> None:
    client, other = await connect(proxy), await connect(proxy)
    striking = asyncio.create_task(proxy.strike("silent", 0.2))
    await asyncio.sleep(0)
    await client.say(MESSAGE)
    with pytest.raises(ConnectionResetError):
        await client.reader.read()
    assert await striking == 1
    assert echo.heard == b"hello" * 2
    assert await other.exchange(MESSAGE) == MESSAGE


async def test_whoever_connects_is_reset_where_connections_are_refused(proxy: Proxy) -> None:
    striking = asyncio.create_task(proxy.strike("refused", LONG))
    await asyncio.sleep(0)
    reader, _ = await asyncio.open_connection(LOOPBACK, proxy.port)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert proxy.struck == {"refused": 1}
    striking.cancel()


async def test_a_fault_ends_when_its_time_is_over(proxy: Proxy) -> None:
    await proxy.strike("refused", 0.01)
    client = await connect(proxy)
    assert await client.exchange(MESSAGE) == MESSAGE


async def test_a_client_is_reset_while_the_server_is_away(echo: Echo) -> None:
    async with await asyncio.start_server(echo.serve, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
    async with Proxy(port) as proxy:
        reader, _ = await asyncio.open_connection(LOOPBACK, proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_the_server_does_not_hear_of_a_client_that_has_vanished(proxy: Proxy, echo: Echo) -> None:
    client = await connect(proxy)
    assert await proxy.strike("vanished") == 1
    with pytest.raises(ConnectionResetError):
        await client.reader.read()
    assert echo.connected == 1
    await connect(proxy)


async def test_the_server_hears_of_a_client_that_was_killed(proxy: Proxy, echo: Echo) -> None:
    client = await connect(proxy)
    client.writer.transport.abort()
    await eventually(so(lambda: echo.connected == 0))
