"""Logs: one line per event, as JSON or for the console, with the ids of its message, attempt, charger and trace."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import orjson
import structlog
from pydantic import SecretBytes, SecretStr
from structlog.typing import Processor

from chassis.trace import Span, current_span, current_traceparent, span

__all__ = ["Span", "configure_logging", "current_span", "current_traceparent", "span"]

_SECRET_WORDS = ("password", "secret", "token", "authorization", "credential", "cookie", "private")
_HIDDEN = "[hidden]"
_QUIET = {
    "aiokafka": logging.WARNING,
    "faststream": logging.ERROR,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
    "sqlalchemy.engine": logging.WARNING,
    "alembic": logging.INFO,
    "asyncio": logging.WARNING,
}


def _add_span(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    here = current_span()
    if here is not None:
        event.setdefault("trace_id", here.trace_id)
        event.setdefault("span_id", here.span_id)
    return event


def hide_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces the value of every field whose name tells that it is a secret, however deep it lies."""
    for name, value in event.items():
        event[name] = _hidden(name, value)
    return event


def _hidden(name: object, value: Any) -> Any:
    if isinstance(value, SecretStr | SecretBytes):
        return _HIDDEN
    if isinstance(name, str) and any(word in name.lower() for word in _SECRET_WORDS) and isinstance(value, str | bytes):
        return _HIDDEN
    if isinstance(value, Mapping):
        return {key: _hidden(key, inner) for key, inner in value.items()}
    return value


def _to_json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()


class _Lines(structlog.WriteLogger):
    """Writes lines under a name, without the standard library's way of a record through loggers and handlers."""

    def __init__(self, name: str = "") -> None:
        super().__init__(sys.stderr)
        self.name = name


def configure_logging(
    service: str, *, level: str = "INFO", style: Literal["json", "console"] = "json", instance: str | None = None
) -> None:
    """Sends the logs of this process, its libraries' included, to standard error.

    Libraries that speak at every message are held at WARNING unless `level` is DEBUG.
    """
    constants: dict[str, Any] = {"service": service} | ({"instance": instance} if instance else {})

    def add_constants(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**constants, **event}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_span,
        hide_secrets,
    ]
    rendering: list[Processor]
    if style == "json":
        shared.append(add_constants)
        rendering = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]
    else:
        rendering = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    structlog.configure(
        processors=[*shared, structlog.processors.StackInfoRenderer(), *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, quiet in _QUIET.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.DEBUG if root.level <= logging.DEBUG else max(quiet, root.level))
