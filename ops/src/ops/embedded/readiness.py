"""Whether a service says that it is ready."""

import asyncio
import http.client
import json
from typing import Any

_TIMEOUT_S = 5
_OK = 200


async def service_ready(host: str, port: int) -> str | None:
    """Why the service there is not ready, in its own words; None when it is."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(_ask, host, port), _TIMEOUT_S + 1)
    except TimeoutError:
        return "it does not answer"


def _ask(host: str, port: int) -> str | None:
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return "it does not answer yet"
    finally:
        connection.close()
    return None if answer.status == _OK else f"HTTP {answer.status}{_reasons(body)}"


def _reasons(body: bytes) -> str:
    try:
        said: Any = json.loads(body)
    except ValueError:
        return ""
    reasons = said.get("reasons", said) if isinstance(said, dict) else said
    return f" {json.dumps(reasons)}" if reasons else ""
