"""Calls of ours wait for each other, for the charger's boot and for no Reset; and nobody waits for a session that ended."""

import asyncio
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chassis.clock import SystemClock
from chassis.testing import eventually
from contracts.calls import CallCharger
from ocpp_bridge import calling as module
from ocpp_bridge.black_box import Box
from ocpp_bridge.calling import Calling, NoResultError
from ocpp_bridge.quiet import Quiet


class Silent:
    """A session of a charger that answers nothing, as far as calls look at it."""

    def __init__(self) -> None:
        self.charger_id, self.epoch, self.box = "garage-1", 1, Box()
        self.turn = asyncio.Lock()
        self.rejected = self.over = False
        self.sent: list[str] = []

    async def begin_call(self, message_id: str, _data: bytes) -> asyncio.Future[Any]:
        self.sent.append(message_id)
        return asyncio.get_running_loop().create_future()

    async def end_call(self, answer: asyncio.Future[Any], *, within: float) -> Any:
        async with asyncio.timeout(within):
            return await answer


class Holders:
    """Says that the session is the charger's last one, as soon as it may."""

    def __init__(self) -> None:
        self.may_say = asyncio.Event()
        self.may_say.set()

    async def is_ours(self, _charger_id: str, _epoch: int) -> bool:
        await self.may_say.wait()
        return True


class Made:
    """Calls to one silent charger, and a Reset that wants its turn."""

    def __init__(self, quiet_s: float = 0.0) -> None:
        self.session: Any = Silent()
        self.holders: Any = Holders()
        self.calling = Calling(holders=self.holders, quiet=Quiet(quiet_s, {}), clock=SystemClock())

    def call(self) -> "asyncio.Task[str]":
        return asyncio.create_task(self._call())

    async def _call(self) -> str:
        asked = CallCharger(
            charger_id="garage-1",
            call_id=uuid4(),
            asked_by="operator",
            not_after=SystemClock().now() + timedelta(seconds=300),
            answer_within_s=300,
            action="GetConfiguration",
            payload={},
        )
        try:
            async with self.calling.turn(self.session, asked):
                await self.calling.call(self.session, str(asked.call_id), asked.action, {}, within=300)
        except NoResultError as error:
            return error.why
        return "answered"

    async def reset(self) -> int:
        """How many calls were sent before it."""
        self.calling.make_way(self.session)
        async with self.session.turn:
            return len(self.session.sent)


@pytest.fixture(autouse=True)
def gives_way_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GIVES_WAY_S", 0.05)


async def sent(made: Made, count: int) -> None:
    def look() -> None:
        assert len(made.session.sent) == count

    await eventually(look)


async def test_a_reset_waits_for_one_call_however_many_were_asked_for_before_it() -> None:
    made = Made()
    calls = [made.call() for _ in range(4)]
    await sent(made, 1)
    async with asyncio.timeout(30):
        assert await made.reset() == 1
        assert await calls[0] == "timeout"
    await sent(made, 2)
    for call in calls:
        call.cancel()


async def test_a_reset_that_comes_when_a_call_is_about_to_be_sent_does_not_wait_for_all_of_its_time() -> None:
    made = Made()
    made.holders.may_say.clear()
    call = made.call()
    await eventually(lambda: _holds(made.session.turn))
    reset = asyncio.create_task(made.reset())
    await asyncio.wait([reset], timeout=0.01)
    made.holders.may_say.set()
    async with asyncio.timeout(30):
        assert await reset == 1
        assert await call == "timeout"
    later = made.call()
    await sent(made, 2)
    done, _ = await asyncio.wait([later], timeout=0.2)
    assert not done, "the Reset before it is over: it has all of its time"
    later.cancel()


async def test_a_call_that_leaves_a_charger_alone_after_its_boot_ends_when_the_session_does() -> None:
    made = Made(quiet_s=100.0)
    made.session.box.booted_at = time.monotonic()
    call = made.call()
    await asyncio.wait([call], timeout=0.01)
    made.session.over = True
    async with asyncio.timeout(30):
        assert await call == "session_ended"
    assert made.session.sent == []


def _holds(lock: asyncio.Lock) -> None:
    assert lock.locked()
