"""Waiting for what must become true, without sleeping for longer than it takes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_SHORTEST_S = 0.002
_LONGEST_S = 0.15
_SHARE = 0.1
"""A pause is so much of the time waited so far: what is waited for is seen about a tenth later than it came."""


async def eventually(check: Callable[[], T | Awaitable[T]], within: float = 15.0) -> T:
    """Calls `check` until it no longer raises AssertionError, and returns what it returns.

    After `within` seconds the last AssertionError is raised, with a note of how long and how often it was tried.
    Any other error is raised at once.
    """
    began = time.monotonic()
    tries = 0
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
        # Whoever waits long need not know to the moment: to ask costs those who are asked something, too.
        await asyncio.sleep(max(_SHORTEST_S, min(waited * _SHARE, _LONGEST_S)))
