"""uvicorn inside our own process and loop: it neither owns the signals nor the exit code."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

GRACE_S = 3
"""How long open requests may take to finish at a stop, in seconds; a stream that does not end by itself is cut."""


class AddressInUseError(Exception):
    """The HTTP address can't be bound."""


class _Embedded(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves an ASGI app. Port 0 takes a free one, which `port` tells after `start`; `variable` is who chose it."""

    def __init__(self, app: Any, host: str, port: int, *, variable: str = "HTTP_PORT") -> None:
        self.host = host
        self.port = port
        self._app = app
        self._variable = variable
        self._server: _Embedded | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens. Raises AddressInUseError when it can't."""
        try:
            listener = socket.create_server((self.host, self.port), backlog=2048, reuse_port=False)
        except OSError as error:
            raise AddressInUseError(
                f"HTTP can't listen on {self.host}:{self.port} ({error.strerror}): "
                f"stop what uses it, or set {self._variable}"
            ) from error
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            interface="asgi3",  # a bound method is not recognised as such
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=30,
            server_header=False,
        )
        self._server = _Embedded(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="http")
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 uvicorn has only the flag
            await asyncio.sleep(0.005)
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Stops listening and lets open requests finish, within bounds."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await asyncio.wait([self._task], timeout=GRACE_S + 1)
        self._server.force_exit = True
        await asyncio.wait([self._task], timeout=1)
        self._server = self._task = None
