"""An attempt and its transitions as JSON, and back: what is stored is what is read."""

from typing import Any

from pydantic import TypeAdapter

from restart_orchestrator.states import Attempt, Moved, Opened, Transition

_ATTEMPT: TypeAdapter[Attempt] = TypeAdapter(Attempt)
_OPENED: TypeAdapter[Opened] = TypeAdapter(Opened)
_MOVED: TypeAdapter[Moved] = TypeAdapter(Moved)


def to_json(attempt: Attempt) -> str:
    """The attempt as JSON text; what has its default is left out."""
    return _ATTEMPT.dump_json(attempt, exclude_defaults=True).decode()


def from_json(stored: str | dict[str, Any]) -> Attempt:
    """The attempt that was stored, from its text or from what the database driver read of it."""
    return _ATTEMPT.validate_json(stored) if isinstance(stored, str) else _ATTEMPT.validate_python(stored)


def transition_to_json(transition: Transition) -> str:
    """The transition as JSON text; what has its default is left out."""
    adapter: TypeAdapter[Any] = _OPENED if isinstance(transition, Opened) else _MOVED
    return adapter.dump_json(transition, exclude_defaults=True).decode()


def transition_from_json(stored: dict[str, Any]) -> Transition:
    """The transition that was stored. Only the first one of an attempt says what was asked for."""
    return _OPENED.validate_python(stored) if "asked" in stored else _MOVED.validate_python(stored)
