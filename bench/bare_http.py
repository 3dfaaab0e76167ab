"""The floor under the portal: aiohttp with nothing of ours, streams and one answer. `python -m bench.bare_http`."""

import asyncio
import gc
import sys

import uvloop
from aiohttp import web

from bench.load import raise_file_limit


class Bare:
    """Writes what it is given to every stream; answers what it was given before."""

    def __init__(self) -> None:
        self._streams: set[web.StreamResponse] = set()
        self._body = b""

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """An endless stream."""
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"event: hello\r\ndata: {}\r\n\r\n")
        self._streams.add(response)
        try:
            await asyncio.Event().wait()
        finally:
            self._streams.discard(response)
        return response

    async def tell(self, request: web.Request) -> web.Response:
        """Writes the body to every stream."""
        body = await request.read()
        for stream in self._streams:
            await stream.write(body)
        return web.Response(status=204)

    async def keep(self, request: web.Request) -> web.Response:
        """Remembers the body."""
        self._body = await request.read()
        return web.Response(status=204)

    async def answer(self, _request: web.Request) -> web.Response:
        """The body that was remembered."""
        return web.Response(body=self._body, content_type="application/json")


async def serve(files: int) -> None:
    """Serves until its standard input ends; the port is its only line of output."""
    raise_file_limit(files)
    bare = Bare()
    app = web.Application(client_max_size=1 << 24)
    app.add_routes(
        [
            web.get("/events", bare.stream),
            web.post("/events", bare.tell),
            web.put("/list", bare.keep),
            web.get("/list", bare.answer),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
    await site.start()
    gc.freeze()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
