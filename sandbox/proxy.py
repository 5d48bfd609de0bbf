"""A TCP proxy between two parts of the system. On demand it breaks their connections, in several ways.

The proxy counts the connections that it broke, so that a test can check that a fault has happened.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, get_args

from sandbox.ports import LOOPBACK

Way = Literal["cut", "delayed", "halved", "truncated", "silent", "refused", "vanished"]
WAYS: tuple[Way, ...] = get_args(Way)
Direction = Literal["there", "back"]
"""`there` is from a client to the server, `back` is from the server to a client."""

CHUNK = 64 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
DELAY = 0.25
"""Seconds that each message waits while connections are delayed."""


@dataclass(eq=False)
class _Link:
    """A pair of connections: from the client to the proxy, and from the proxy to the server. They begin and end
    together.
    """

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    vanished: bool = False
    """Whether the client's connection is broken and the server is not told."""

    def vanish(self) -> None:
        """Breaks the client's connection and leaves the server's open, as if the client's machine had lost its
        power.
        """
        self.vanished = True
        _reset(self.client)

    def reset(self) -> None:
        """Breaks both connections. Each end gets an error, and data in transit are lost."""
        for writer in (self.client, self.server):
            _reset(writer)

    def close(self) -> None:
        """Closes both connections without an error, as if everything had been sent."""
        self.client.close()
        self.server.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # closed already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()


class Proxy:
    """A proxy in front of the server at `port`, while the context is open. Clients connect to `self.port`. While the
    server is away, the proxy breaks their connections.

    `struck` counts, for each way of `strike`, the affected connections. For `delayed` it counts the delayed messages,
    and for `silent` the messages that were not passed.
    """

    def __init__(self, port: int) -> None:
        self.port = 0
        self.struck: Counter[Way] = Counter()
        self._server_port = port
        self._links: set[_Link] = set()
        self._closed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._way: Way | None = None
        self._direction: Direction = "there"
        self._until = 0.0

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        self._closed.set()
        self._reset_all()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def strike(self, way: Way, seconds: float = 0, direction: Direction = "there") -> int:
        """Disturbs connections in one way for `seconds`. Returns how many connections or messages were affected.
        `direction` says which messages `halved`, `truncated` and `delayed` affect.

        - `cut` breaks all present connections once.
        - `vanished` breaks the clients' present connections. The server's ends stay open until the context ends.
        - `halved` passes half of a connection's next message, and then breaks the connection.
        - `truncated` passes half of a connection's next message, and then closes the connection without an error.
        - `delayed` delays each message for a moment.
        - `silent` passes nothing in either direction. At the end it breaks the connections on which a message waits.
        - `refused` breaks all present connections and every new one.
        """
        before = self.struck[way]
        if way in ("cut", "refused"):
            self.struck[way] += len(self._links)
            self._reset_all()
        elif way == "vanished":
            for link in self._links:
                link.vanish()
            self.struck[way] += len(self._links)
        if way not in ("cut", "vanished"):
            self._way, self._direction, self._until = way, direction, time.monotonic() + seconds
            await asyncio.sleep(seconds)
            self._way = None
        return self.struck[way] - before

    def _reset_all(self) -> None:
        for link in self._links:
            link.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            back, there = await asyncio.open_connection(LOOPBACK, self._server_port)
        except OSError:
            _Link(writer, writer).reset()
            return
        link = _Link(writer, there)
        if self._way == "refused":
            self.struck["refused"] += 1
            link.reset()
            return
        self._links.add(link)
        try:
            await asyncio.gather(self._pass(link, reader, there, "there"), self._pass(link, back, writer, "back"))
        finally:
            self._links.discard(link)
        if link.vanished:
            await self._closed.wait()
        link.close()

    async def _pass(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        try:
            while message := await reader.read(CHUNK):
                struck = self._way if direction == self._direction or self._way == "silent" else None
                match struck:
                    case "delayed":
                        self.struck["delayed"] += 1
                        await asyncio.sleep(DELAY)
                    case "silent":
                        self.struck["silent"] += 1
                        await asyncio.sleep(self._until - time.monotonic())
                        link.reset()
                        return
                    case "halved" | "truncated" as way:
                        self.struck[way] += 1
                        writer.write(message[: len(message) // 2])
                        await writer.drain()
                        if way == "truncated":
                            link.close()
                            return
                        # Whoever reads has half of it before the reset, which throws away what nobody has read.
                        await asyncio.sleep(0.01)
                        link.reset()
                        return
                writer.write(message)
                await writer.drain()
            if not link.vanished and writer.can_write_eof():
                writer.write_eof()
        except OSError:
            # One end is gone, of which the other one learns.
            if not link.vanished:
                link.reset()
