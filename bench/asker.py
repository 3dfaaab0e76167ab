"""A kept HTTP/1.1 connection whose request is made beforehand: what a client's library takes is no part of a figure."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson


class Asker:
    """One request at a time: `send`, then `answer`."""

    def __init__(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer

    def post(self, path: str, headers: Mapping[str, str], body: object) -> bytes:
        """The bytes of a request."""
        content = orjson.dumps(body)
        fields = {
            "host": self._host,
            **headers,
            "content-type": "application/json",
            "content-length": str(len(content)),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content

    def send(self, request: bytes) -> None:
        """Writes it to the socket, now."""
        self._writer.write(request)

    async def answer(self) -> tuple[int, Any]:
        """Status and body."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        lengths = (line.partition(":")[2] for line in head if line.lower().startswith("content-length:"))
        return int(head[0].split(" ")[1]), orjson.loads(await self._reader.readexactly(int(next(lengths))))


@asynccontextmanager
async def connected(host: str, port: int) -> AsyncIterator[Asker]:
    """A connection for as long as the block runs."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield Asker(f"{host}:{port}", reader, writer)
    finally:
        writer.close()
