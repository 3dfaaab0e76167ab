"""W3C Trace Context: which trace the work at hand belongs to, carried from message to message."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_HEADER = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work in a trace. Ids are lower-case hexadecimal; `flags` has bit 0 set when the trace is sampled."""

    trace_id: str
    span_id: str
    flags: str = "00"

    @property
    def traceparent(self) -> str:
        """The header that makes others continue from here."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    @classmethod
    def begin(cls, traceparent: str | None = None) -> "Span":
        """A new span: in the trace of `traceparent`, or in a new one when that is absent or malformed."""
        match = _HEADER.fullmatch(traceparent) if traceparent else None
        if match is None or set(match[1]) == {"0"} or set(match[2]) == {"0"}:
            return cls(secrets.token_hex(16), secrets.token_hex(8))
        return cls(match[1], secrets.token_hex(8), match[3])


_current: ContextVar[Span | None] = ContextVar("current_span", default=None)


def current_span() -> Span | None:
    """The span of the work at hand, or None outside of any."""
    return _current.get()


def current_traceparent() -> str | None:
    """The header for what the work at hand causes, or None outside of any span."""
    span = _current.get()
    return span.traceparent if span is not None else None


@contextmanager
def span(traceparent: str | None = None) -> Iterator[Span]:
    """Work inside the `with` belongs to a new span that continues `traceparent`."""
    begun = Span.begin(traceparent)
    token = _current.set(begun)
    try:
        yield begun
    finally:
        _current.reset(token)
