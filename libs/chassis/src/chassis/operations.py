"""Where health and metrics are shown: on the service's own port, or on one of their own that need not be reachable."""

from collections.abc import Callable
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.requests import Request

from chassis.http import OPERATIONS, App, Problem, Receive, Scope, Send, problem_response
from chassis.server import HttpServer
from chassis.settings import ServiceSettings

_HANDED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class OperationsAccess:
    """Decides who is shown `/health/live`, `/health/ready` and `/metrics`.

    With `OPERATIONS_PORT` they are there and nowhere else. Without it they are on the service's own port: for everyone
    who reaches it, or, where that port is `public`, for this machine only.
    """

    def __init__(self, app: Callable[[], App], settings: ServiceSettings, *, public: bool) -> None:
        self._app = app
        self._public = public
        port = settings.operations_port
        self.server = (
            None if port is None else HttpServer(self._serve, settings.http_host, port, variable="OPERATIONS_PORT")
        )

    async def start(self) -> None:
        """Listens, where there is a port. Raises AddressInUseError."""
        if self.server is not None:
            await self.server.start()

    async def stop(self) -> None:
        """Stops listening."""
        if self.server is not None:
            await self.server.stop()

    def hides(self, scope: Scope) -> bool:
        """Whether the request, which came to the service's own port, asks for what is not shown there."""
        if scope["type"] != "http" or scope["path"] not in OPERATIONS:
            return False
        return self.server is not None or (self._public and not _is_of_this_machine(scope))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in OPERATIONS:
            await self._app()(scope, receive, send)
        else:
            await nothing_here(scope, receive, send)


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """What an address answers that there is not."""
    await problem_response(Request(scope), Problem(404, "Not Found"))(scope, receive, send)


def _is_of_this_machine(scope: Scope) -> bool:
    """Whether it came by loopback and no proxy handed it on."""
    client = scope.get("client")
    try:
        is_near = client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        is_near = False
    headers = Headers(scope=scope)
    return is_near and not any(name in headers for name in _HANDED_ON)
