"""Ends connections that do not come to their request: they cost a file each, and could keep chargers out."""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

LOOKS = 5
"""How often it is looked in the time that a client has."""


class SlowHandshakes:
    """Looks at all connections of the HTTP server now and then; those that became websockets are not its own any more.

    Args:
        within_s: so long a client has for its request, from the connection to the last header.
        on_ended: told of each connection that is ended.
    """

    def __init__(self, runner: web.AppRunner, *, within_s: float, on_ended: Callable[[], None]) -> None:
        self._runner = runner
        self._within = within_s
        self._on_ended = on_ended
        self._seen: dict[RequestHandler, float] = {}

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            await asyncio.sleep(self._within / LOOKS)
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """One round; `now` is monotonic seconds."""
        server = self._runner.server
        if server is None:
            return
        self._seen = {client: self._seen.get(client, now) for client in server.connections}
        for client, since in self._seen.items():
            # One whose request is being answered waits for us, not we for it.
            if now - since >= self._within and client._current_request is None:  # noqa: SLF001 it is told nowhere else
                client.force_close()
                self._on_ended()
