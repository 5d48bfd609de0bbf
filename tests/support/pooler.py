"""A transaction pooler: like pgbouncer, it runs each transaction of a client on another connection to Postgres.

It speaks PostgreSQL's protocol 3.0 (https://www.postgresql.org/docs/current/protocol-message-formats.html): a
connection belongs to a client until the server reports that it is in no transaction (ReadyForQuery, `I`).
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.ports import LOOPBACK

PROTOCOL, SSL_REQUEST = 196_608, 80_877_103
CONNECTIONS = 3


@dataclass
class _Server:
    """A connection to Postgres that can be used. `greeting` are the messages with which the server began."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


class _Pooler:
    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        self._host, self._port = parts.hostname or LOOPBACK, parts.port or 5432
        self._startup = f"user\0{parts.username}\0database\0{parts.path[1:]}\0\0".encode()
        self._idle: asyncio.Queue[_Server] = asyncio.Queue()

    async def connect(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(struct.pack("!ii", 8 + len(self._startup), PROTOCOL) + self._startup)
        greeting = b""
        while not (message := await _message(reader)).startswith(b"Z"):
            greeting += message
        self._idle.put_nowait(_Server(reader, writer, greeting + message))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay: asyncio.Task[None] | None = None
        server: _Server | None = None
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while (size := await reader.readexactly(8))[4:] == SSL_REQUEST.to_bytes(4, "big"):
                writer.write(b"N")
            await reader.readexactly(int.from_bytes(size[:4], "big") - 8)
            first = await self._idle.get()
            self._idle.put_nowait(first)
            writer.write(first.greeting)
            while not (message := await _message(reader)).startswith(b"X"):
                if relay is None or relay.done():
                    server = await self._idle.get()
                    relay = asyncio.create_task(self._relay(server, writer))
                assert server is not None
                server.writer.write(message)
        writer.close()
        if relay is not None and server is not None and not relay.done():
            # He left in the middle of a transaction, which ends with its connection.
            relay.cancel()
            server.writer.close()
            await self.connect()

    async def _relay(self, server: _Server, writer: asyncio.StreamWriter) -> None:
        """Passes messages on until the transaction has ended."""
        message = b""
        while message != b"Z\0\0\0\5I":
            message = await _message(server.reader)
            writer.write(message)
        self._idle.put_nowait(server)

    async def close(self) -> None:
        while not self._idle.empty():
            self._idle.get_nowait().writer.close()


@asynccontextmanager
async def pooling(dsn: str, connections: int = CONNECTIONS) -> AsyncIterator[str]:
    """Yields the DSN of a transaction pooler in front of this database, which asks for no password."""
    pooler = _Pooler(dsn)
    for _ in range(connections):
        await pooler.connect()
    async with await asyncio.start_server(pooler.serve, LOOPBACK, 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        parts = urlsplit(dsn)
        yield f"postgresql://{parts.username}@{LOOPBACK}:{port}{parts.path}"
    await pooler.close()
