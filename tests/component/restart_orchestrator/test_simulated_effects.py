"""Messages and timers are written alike in PostgreSQL and in the simulation's tables, and timers go off alike."""

import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from orchestrator_tables import CHARGER, Side, found, said, told

from chassis.testing import FakeClock
from chassis.timers import Alarm, Timer
from contracts import ocpp, topics
from contracts.envelope import Envelope
from contracts.topics import Topic
from restart_orchestrator.store import Held
from restart_orchestrator.story import sent


class TestEffects:
    """Messages and timers."""

    def _alarm(self, side: Side, key: str, due: float, **payload: Any) -> Alarm:
        return Alarm(key, side.clock.now() + timedelta(seconds=due), payload)

    def _messages(self, count: int) -> list[tuple[Topic, Envelope[Any]]]:
        booted_at = (said(ocpp.ProbeCharger(**self._probe())) for _ in range(count))
        return [(topics.OCPP_COMMANDS, one) for one in booted_at]

    def _probe(self) -> dict[str, Any]:
        return {"charger_id": CHARGER, "attempt_id": uuid4(), "epoch": 1, "not_after": FakeClock().now()}

    async def test_messages_keep_the_order_in_which_they_were_committed(self, side: Side) -> None:
        first, second, never = self._messages(2), self._messages(3), self._messages(1)
        async with side.begin() as session:
            await side.write(session, messages=first)
        with contextlib.suppress(LookupError):
            async with side.begin() as session:
                await side.write(session, messages=never, alarms=[self._alarm(side, "never", -1)])
                raise LookupError
        async with side.begin() as session:
            await side.write(session, messages=second)
        assert await side.outbox() == [envelope.id for _, envelope in (*first, *second)]
        assert not await side.fire(self._refuse)

    async def _refuse(self, _session: Any, timers: Sequence[Timer]) -> None:
        raise AssertionError(f"{timers} went off")

    async def test_timers_go_off_once_when_they_are_due_the_earliest_first(self, side: Side) -> None:
        fired: list[tuple[str, dict[str, Any], int]] = []

        async def handle(_session: Any, timers: Sequence[Timer]) -> None:
            fired.extend((timer.key, timer.payload, timer.failures) for timer in timers)

        alarms = [self._alarm(side, "b", 20, of="b"), self._alarm(side, "a", 10, of="a"), self._alarm(side, "c", 30)]
        async with side.begin() as session:
            await side.write(session, alarms=alarms)
        assert not await side.fire(handle)
        side.clock.advance(15)
        assert [await side.fire(handle) for _ in range(2)] == [True, False]
        side.clock.advance(10)
        assert [await side.fire(handle) for _ in range(2)] == [True, False]
        assert fired == [("a", {"of": "a"}, 0), ("b", {"of": "b"}, 0)]

    async def test_timers_that_are_due_go_off_together_and_once_that_failed_each_by_itself(self, side: Side) -> None:
        async with side.begin() as session:
            await side.write(session, alarms=[self._alarm(side, key, -1) for key in ("a", "b", "c")])
        fired: list[list[str]] = []

        async def handle(_session: Any, timers: Sequence[Timer]) -> None:
            fired.append(sorted(timer.key for timer in timers))
            if len(fired) == 1:
                raise LookupError

        assert [await side.fire(handle) for _ in range(2)] == [True, False]
        side.clock.advance(0.6)
        assert [await side.fire(handle) for _ in range(4)] == [True, True, True, False]
        assert [fired[0], sorted(fired[1:])] == [["a", "b", "c"], [["a"], ["b"], ["c"]]]

    async def test_a_timer_that_is_armed_again_is_another_one(self, side: Side) -> None:
        async with side.begin() as session:
            await side.write(session, alarms=[self._alarm(side, "a", 10, of="first")])
        async with side.begin() as session:
            await side.write(session, alarms=[self._alarm(side, "a", 60, of="second")])
        side.clock.advance(30)
        assert not await side.fire(self._refuse)
        side.clock.advance(31)
        heard: list[dict[str, Any]] = []

        async def handle(_session: Any, timers: Sequence[Timer]) -> None:
            heard.extend(timer.payload for timer in timers)

        assert await side.fire(handle)
        assert heard == [{"of": "second"}]

    async def test_a_timer_that_nobody_waits_for_any_more_is_forgotten_but_not_where_that_fails(
        self, side: Side
    ) -> None:
        async with side.begin() as session:
            await side.write(session, alarms=[self._alarm(side, "a", -2), self._alarm(side, "b", -1)])
        with contextlib.suppress(LookupError):
            async with side.begin() as session:
                await side.write(session, settled=["a"])
                raise LookupError
        async with side.begin() as session:
            await side.write(session, settled=["b", "nobody"])
        assert [await side.fire(self._nothing) for _ in range(2)] == [True, False]

    async def _nothing(self, _session: Any, timers: Sequence[Timer]) -> None:
        assert [timer.key for timer in timers] == ["a"]

    async def test_a_handler_that_fails_has_done_nothing_and_its_timer_goes_off_again_later(self, side: Side) -> None:
        attempt, history = told(sent())
        messages = self._messages(1)

        async def fail(session: Any, _timers: Sequence[Timer]) -> None:
            await side.write(session, also=side.store.record([Held(attempt, watching=True)], history))
            await side.write(session, messages=messages, alarms=[self._alarm(side, "more", -1)])
            raise LookupError

        async with side.begin() as session:
            await side.write(session, alarms=[self._alarm(side, "a", -1)])
        assert await side.fire(fail)
        assert (await found(side, [CHARGER]), await side.outbox()) == ([], [])
        assert not await side.fire(self._refuse)
        side.clock.advance(0.6)
        failures: list[int] = []

        async def handle(_session: Any, timers: Sequence[Timer]) -> None:
            failures.extend(timer.failures for timer in timers)

        assert [await side.fire(handle) for _ in range(2)] == [True, False]
        assert failures == [1]

    async def test_what_a_handler_does_is_committed_with_its_timer(self, side: Side) -> None:
        attempt, history = told(sent())

        async def handle(session: Any, _timers: Sequence[Timer]) -> None:
            await side.store.lock_all(session, [CHARGER])
            await side.write(session, also=side.store.record([Held(attempt, watching=True)], history))
            await side.write(session, messages=self._messages(1), alarms=[self._alarm(side, "next", -1)])

        async with side.begin() as session:
            await side.write(session, alarms=[self._alarm(side, "a", -1)])
        assert await side.fire(handle)
        assert len(await found(side, [CHARGER])) == 1
        assert len(await side.outbox()) == 1

        async def expect(_session: Any, timers: Sequence[Timer]) -> None:
            assert [timer.key for timer in timers] == ["next"]

        assert [await side.fire(expect) for _ in range(2)] == [True, False]
