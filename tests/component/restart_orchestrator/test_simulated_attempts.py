"""Attempts are recorded, and topics consumed, alike in PostgreSQL and in the simulation's tables."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from orchestrator_tables import CHARGER, PERSON, TWICE, Side, found, record, said, told

from contracts import ocpp, topics
from contracts.envelope import Envelope
from restart_orchestrator.inputs import Input
from restart_orchestrator.store import Held
from restart_orchestrator.story import accepted, connected, dropped, sent

LOST = (sent(), dropped(10), connected(7200), dropped(7201, 8))


class TestAttempts:
    """`store.record` and `store.load_attempts`."""

    async def test_an_attempt_is_found_by_the_charger_that_it_watches_and_by_its_id(self, side: Side) -> None:
        one, history = told(sent())
        other, its_history = told(charger="CHARGER-2")
        await record(side, one, history)
        await record(side, other, its_history, watching=False)
        expected = Held(one, watching=True, traceparent="00-trace")
        assert await found(side, [CHARGER, "CHARGER-2"]) == [expected]
        assert await found(side, [], [one.attempt_id]) == [expected]
        assert [held.attempt for held in await found(side, [CHARGER], [other.attempt_id])] == [one, other]
        assert await found(side, ["CHARGER-3"], [uuid4()]) == []
        async with side.begin() as session:
            attempts, _ = await side.store.load_requested(session, [(CHARGER, PERSON)], [other.attempt_id])
        assert {held.attempt.attempt_id for held in attempts} == {one.attempt_id, other.attempt_id}

    async def test_what_happens_next_replaces_what_is_held_and_not_whose_request_it_was(self, side: Side) -> None:
        attempt, history = told(sent())
        await record(side, attempt, history)
        later, its_history = told(sent(), accepted(), attempt_id=attempt.attempt_id)
        new = its_history[len(history) :]
        async with side.begin() as session:
            await side.write(session, also=side.store.record([Held(later, watching=True, traceparent="00-trace")], new))
        assert await found(side, [CHARGER]) == [Held(later, watching=True, traceparent="00-trace")]

    async def test_of_a_transaction_that_fails_nothing_is_left(self, side: Side) -> None:
        attempt, history = told(sent())
        with contextlib.suppress(LookupError):
            async with side.begin() as session:
                await side.write(session, also=side.store.record([Held(attempt, watching=True)], history))
                assert len(await side.store.load_attempts(session, [CHARGER])) == 1
                raise LookupError
        assert await found(side, [CHARGER], [attempt.attempt_id]) == []
        await record(side, attempt, history)

    @pytest.mark.parametrize("heard", [(sent(),), LOST], ids=["open", "lost"])
    async def test_two_attempts_never_watch_one_charger(self, side: Side, heard: tuple[Input, ...]) -> None:
        first, history = told(*heard)
        await record(side, first, history)
        second, its_history = told(*heard)
        with pytest.raises(TWICE):
            await record(side, second, its_history)
        assert [held.attempt for held in await found(side, [CHARGER], [second.attempt_id])] == [first]
        await record(side, second, its_history, watching=False)

    async def test_a_lost_one_and_an_open_one_may(self, side: Side) -> None:
        lost, history = told(*LOST)
        await record(side, lost, history)
        other, its_history = told(sent())
        await record(side, other, its_history)
        assert {held.attempt.attempt_id for held in await found(side, [CHARGER])} == {lost.attempt_id, other.attempt_id}

    async def test_the_open_one_may_take_the_place_of_the_lost_one_and_be_lost_itself(self, side: Side) -> None:
        lost, history = told(*LOST)
        await record(side, lost, history)
        other, its_history = told(sent())
        await record(side, other, its_history)
        as_lost, all_of_it = told(*LOST, attempt_id=other.attempt_id)
        held = [Held(as_lost, watching=True), Held(lost, watching=False)]
        async with side.begin() as session:
            await side.write(session, also=side.store.record(held, all_of_it[len(its_history) :]))
        assert [one.attempt for one in await found(side, [CHARGER])] == [as_lost]

    async def test_one_that_watches_makes_room_for_another_in_the_same_transaction(self, side: Side) -> None:
        first, history = told(sent())
        await record(side, first, history)
        second, its_history = told(sent())
        held = [Held(second, watching=True), Held(first, watching=False)]
        async with side.begin() as session:
            await side.write(session, also=side.store.record(held, its_history))
        assert [one.attempt for one in await found(side, [CHARGER])] == [second]

    async def test_no_transition_is_recorded_twice(self, side: Side) -> None:
        attempt, history = told(sent())
        await record(side, attempt, history)
        with pytest.raises(TWICE):
            await record(side, attempt, history[-1:])

    async def test_who_has_locked_a_charger_is_waited_for_and_what_it_committed_is_seen(self, side: Side) -> None:
        attempt, history = told(sent())
        locked, looked = asyncio.Event(), asyncio.Event()

        async def second() -> int:
            await locked.wait()
            async with side.begin() as session:
                assert await side.store.load_attempts(session, [CHARGER]) == []
                looked.set()
                await side.store.lock_all(session, ["CHARGER-2", CHARGER])
                return len(await side.store.load_attempts(session, [CHARGER]))

        waiting = asyncio.create_task(second())
        async with side.begin() as session:
            await side.store.lock_all(session, [CHARGER])
            await side.store.lock_all(session, [CHARGER])
            await side.write(session, also=side.store.record([Held(attempt, watching=True)], history))
            locked.set()
            looking = asyncio.create_task(looked.wait())
            await asyncio.wait([waiting, looking], return_when=asyncio.FIRST_COMPLETED)
            looking.cancel()
            await asyncio.wait([waiting], timeout=0.2)
            assert not waiting.done()
        assert await waiting == 1


class TestConsuming:
    """The checkpoint, the locks and the handler, in one transaction."""

    async def test_what_was_consumed_is_not_handled_again(self, side: Side) -> None:
        handled: list[int] = []

        async def handle(_session: Any, batch: Sequence[Envelope[Any]]) -> None:
            handled.extend(one.position.offset for one in batch if one.position is not None)

        batch = [said(ocpp.ChargerBooted(charger_id=CHARGER, epoch=1), offset=offset) for offset in range(5)]
        await side.consume(topics.OCPP_OBSERVATIONS, batch[:3], handle)
        await side.consume(topics.OCPP_OBSERVATIONS, batch[1:4], handle)
        await side.consume(topics.OCPP_OBSERVATIONS, batch[:2], handle)
        await side.consume(topics.OCPP_OBSERVATIONS, batch[4:], handle, locks=False)
        assert handled == [0, 1, 2, 3, 4]

    async def test_what_was_not_committed_is_handled_again(self, side: Side) -> None:
        attempt, history = told(sent())

        async def fail(session: Any, _batch: Sequence[Envelope[Any]]) -> None:
            await side.write(session, also=side.store.record([Held(attempt, watching=True)], history))
            raise LookupError

        async def handle(session: Any, _batch: Sequence[Envelope[Any]]) -> None:
            await side.write(session, also=side.store.record([Held(attempt, watching=True)], history))

        batch = [said(ocpp.ChargerBooted(charger_id=CHARGER, epoch=1))]
        with pytest.raises(LookupError):
            await side.consume(topics.OCPP_OBSERVATIONS, batch, fail)
        assert await found(side, [CHARGER]) == []
        await side.consume(topics.OCPP_OBSERVATIONS, batch, handle)
        assert len(await found(side, [CHARGER])) == 1

    async def test_two_topics_are_not_handled_at_the_same_time_for_one_charger(self, side: Side) -> None:
        under_way, most = 0, 0

        async def handle(session: Any, _batch: Sequence[Envelope[Any]]) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await side.store.load_attempts(session, [CHARGER])
            under_way -= 1

        news = ocpp.ChargerBooted(charger_id=CHARGER, epoch=1)
        reading = (topics.OCPP_OBSERVATIONS, topics.OCPP_ANSWERS, topics.OCPP_CONNECTIVITY)
        await asyncio.gather(*(side.consume(topic, [said(news, topic=topic)], handle) for topic in reading))
        assert most == 1

    async def test_what_was_read_is_known_by_the_checkpoints(self, side: Side) -> None:
        async def handle(_session: Any, _batch: Sequence[Envelope[Any]]) -> None:
            return

        name = topics.OCPP_OBSERVATIONS.name
        await side.consume(
            topics.OCPP_OBSERVATIONS, [said(ocpp.ChargerBooted(charger_id=CHARGER, epoch=1), offset=4)], handle
        )
        async with side.begin() as session:
            assert await side.is_read(session, {name: 5})
            assert await side.is_read(session, {name: 5, topics.OCPP_ANSWERS.name: 0})
            assert not await side.is_read(session, {name: 6})
            assert not await side.is_read(session, {name: 5, topics.OCPP_ANSWERS.name: 1})
