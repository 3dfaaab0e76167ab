"""The floor under the bridge: aiohttp with nothing of ours, a server that only answers. `python -m bench.bare`."""

import asyncio
import gc
import sys

import orjson
import uvloop
from aiohttp import WSMsgType, web

from bench.load import raise_file_limit

TIME = "2026-01-01T00:00:00.000Z"
BOOTED = {"status": "Accepted", "currentTime": TIME, "interval": 300}


async def answer(request: web.Request) -> web.WebSocketResponse:
    """Answers whatever comes, and looks at no more than the action."""
    ws = web.WebSocketResponse(protocols=("ocpp1.6",), compress=False)
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            _, message_id, action, _ = orjson.loads(message.data)
            payload = BOOTED if action == "BootNotification" else {"currentTime": TIME}
            await ws.send_str(orjson.dumps([3, message_id, payload]).decode())
    return ws


async def serve() -> None:
    """Serves until standard input ends; says its port."""
    app = web.Application()
    app.router.add_get("/ocpp/{identity}", answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    gc.collect()
    gc.freeze()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


def main() -> None:
    """Runs the server."""
    raise_file_limit(int(sys.argv[1]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
