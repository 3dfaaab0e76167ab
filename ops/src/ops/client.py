"""A client of the portal's HTTP API, for the command line: every refusal becomes a sentence."""

import json
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from ops.embedded.problems import Problem

_SECONDS = 15.0
_HEARD_WITHIN_S = 60.0
_NOT_KNOWN = (404, 422)
_PATTERN = "string_pattern_mismatch"
"""A detail that only tells a regular expression."""


class RefusedError(Problem):
    """The portal answered, and its answer was no; `status` is HTTP's."""

    def __init__(self, what: str, status: int) -> None:
        super().__init__(what)
        self.status = status


class Portal:
    """The portal, as one person. Close it, or use it as a context manager."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.token = token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx2.Client(base_url=self.url, headers=headers, timeout=_SECONDS)

    @classmethod
    def logged_in(cls, url: str, username: str, password: str) -> Self:
        """Logs a person in. Raises Problem when the portal refuses or does not answer."""
        with cls(url) as anonymous:
            answer = anonymous.post("/api/v1/login", {"username": username, "password": password})
        return cls(url, str(answer["access_token"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def get(self, path: str) -> dict[str, Any]:
        """GET, as JSON."""
        return self._call("GET", path)

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PUT, as JSON."""
        return self._call("PUT", path, body)

    def put_once_known(self, path: str, body: dict[str, Any], *, within_s: float = _HEARD_WITHIN_S) -> dict[str, Any]:
        """PUT what speaks of a group that was made a moment ago: services hear of it one after the other.

        `within_s` is when to believe that there is none, where nobody knows that it was made.
        """
        give_up = time.monotonic() + within_s
        while True:
            try:
                return self.put(path, body)
            except RefusedError as refused:
                if refused.status not in _NOT_KNOWN or time.monotonic() > give_up:
                    raise
                time.sleep(0.1)

    def post(self, path: str, body: dict[str, Any], *, within_s: float = _SECONDS, **headers: str) -> dict[str, Any]:
        """POST, as JSON; an underscore in a header's name stands for a hyphen, `within_s` is when to give up."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._call("POST", path, body, sent, within_s=within_s)

    def delete(self, path: str) -> dict[str, Any]:
        """DELETE."""
        return self._call("DELETE", path)

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """The items of a list, page after page."""
        page = path
        while True:
            answer = self.get(page)
            yield from answer["items"]
            after = answer.get("next")
            if not after:
                return
            page = f"{path}{'&' if '?' in path else '?'}after={quote(str(after))}"

    def events(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """A live stream's events, as (name, data), until the server ends it."""
        try:
            with self._http.stream("GET", path, timeout=httpx2.Timeout(_SECONDS, read=60.0)) as response:
                if response.status_code != httpx2.codes.OK:
                    response.read()
                    raise _refused("GET", path, response)
                for event in httpx2.EventSource(response):
                    yield event.event, dict(json.loads(event.data)) if event.data else {}
        except httpx2.TransportError as error:
            raise self._away(error) from error

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        *,
        within_s: float = _SECONDS,
    ) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, json=body, headers=headers, timeout=within_s)
        except httpx2.TransportError as error:
            raise self._away(error) from error
        if response.is_success:
            answer = response.json() if response.content else {}
            return dict(answer)
        raise _refused(method, path, response)

    def _away(self, error: Exception) -> Problem:
        return Problem(
            f"The portal at {self.url} does not answer ({error or type(error).__name__})",
            todo="See what runs with `comeback status`, and start it with `comeback up`",
        )


def _refused(method: str, path: str, response: httpx2.Response) -> RefusedError:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    fields = "; ".join(_field(each) for each in problem.get("errors", ()))
    said = str(fields or problem.get("detail") or problem.get("title") or "The portal refused it").rstrip(".")
    return RefusedError(f"{said} ({method} {path} was answered {response.status_code})", response.status_code)


def _field(error: dict[str, Any]) -> str:
    """What is wrong with one field, by the name that people know."""
    name = str(error.get("field")).removeprefix("body.").removeprefix("path.").removeprefix("query.")
    if error.get("code") == _PATTERN:
        return f"{name} holds a character that it may not hold, or is too long"
    return f"{name}: {error.get('detail')}"
