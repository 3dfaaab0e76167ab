"""Waiting for what must become true, without sleeping for longer than it takes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(check: Callable[[], T | Awaitable[T]], within: float = 15.0) -> T:
    """Calls `check` until it no longer raises AssertionError, and returns what it returns.

    After `within` seconds the last AssertionError is raised, with a note of how long and how often it was tried.
    Any other error is raised at once.
    """
    began = time.monotonic()
    tries = 0
    pause = 0.002
    while True:
        tries += 1
        try:
            outcome = check()
            return await outcome if isinstance(outcome, Awaitable) else outcome
        except AssertionError as error:
            waited = time.monotonic() - began
            if waited >= within:
                error.add_note(f"still so after {waited:.1f} s and {tries} tries")
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.05)
