"""Charger states are kept for lists to find by: they agree with what is shown, whoever writes and whatever time it is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from chassis.testing import eventually
from contracts.ocpp import (
    ChargerDisconnected,
    ConnectorState,
    FirmwareStatusReported,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.restart import Status
from portal.projections import PROJECTIONS
from portal.settings import PortalSettings

SILENCE_S = 3.0
"""Long enough for the beginning to be told before the end comes, on a loaded machine too."""


async def shown(world: Any, charger_id: str = "CP-1") -> str:
    """The state of a charger, which is also the one that lists find it by."""
    answer = await world.http.get(f"/api/v1/chargers/{charger_id}", headers=world.bearer("user"))
    state = answer.json()["state"]
    found = await world.http.get(f"/api/v1/chargers?state={state}", headers=world.bearer("user"))
    assert charger_id in [item["charger_id"] for item in found.json()["items"]], f"no list finds it as {state}"
    return str(state)


def updating(*, now: bool = True) -> FirmwareStatusReported:
    return FirmwareStatusReported(charger_id="CP-1", epoch=1, status="Installing", updating=now)


async def test_an_update_of_which_nothing_was_heard_for_two_hours_blocks_no_restart(world: Any) -> None:
    await world.seed()
    long_ago = world.context.clock.now() - timedelta(hours=2)
    await world.say(updating(), at=long_ago + timedelta(minutes=1))
    assert await shown(world) == "updating_firmware"

    await world.say(updating(), at=long_ago + timedelta(seconds=-1))
    await world.say(world.make.charger("CP-2"), updating().model_copy(update={"charger_id": "CP-2"}), at=long_ago)

    assert await shown(world) == "updating_firmware", "what was said before counts for nothing"
    second = await world.http.get("/api/v1/chargers/CP-2", headers=world.bearer("administrator"))
    assert [block["reason"] for block in second.json()["restart"]["blocked_by"]] == ["offline"]


@pytest.fixture
async def impatient(new_database: Callable[..., Awaitable[str]], portal_running: Any) -> AsyncIterator[Any]:
    async with portal_running(await new_database("portal"), PortalSettings(firmware_silence_s=SILENCE_S)) as made:
        await made.timers.start()
        yield made


async def test_the_end_of_an_update_that_fell_silent_is_told_live(impatient: Any) -> None:
    await impatient.seed()
    async with impatient.stream("administrator") as reader:
        await impatient.say(updating())
        told = await reader.next("charger")
        assert (told["state"], told["restart"]["available"]) == ("updating_firmware", False)

        told = await reader.next("charger")
        assert (told["state"], told["restart"]["available"]) == ("available", True)
    assert await shown(impatient) == "available"


async def test_an_update_that_is_heard_of_again_is_believed_in_for_longer(impatient: Any) -> None:
    await impatient.seed()
    ahead = impatient.context.clock.now() + timedelta(seconds=SILENCE_S)
    await impatient.say(updating())
    await impatient.say(updating(), at=ahead)

    async def silent() -> None:
        assert await shown(impatient) == "available"

    await eventually(silent, within=60)
    assert impatient.context.clock.now() >= ahead + timedelta(seconds=SILENCE_S)


async def test_states_that_another_version_left_wrong_are_put_right_at_the_start(world: Any) -> None:
    await world.seed()
    await world.seed("CP-2")
    async with world.database.begin() as session:
        await session.execute(text("update charger_states set state = 'lost' where charger_id = 'CP-1'"))
        await session.execute(text("delete from charger_states where charger_id = 'CP-2'"))

    await world.states.start(world.database)

    assert [await shown(world, each) for each in ("CP-1", "CP-2")] == ["available", "available"]


@pytest.mark.parametrize("name", ["connectivity", "observations", "attempts"])
async def test_states_that_a_replay_has_overtaken_are_put_right_by_it(world: Any, name: str) -> None:
    await world.seed()
    settle = PROJECTIONS[name].settle
    assert settle is not None
    async with world.database.begin() as session:
        await session.execute(text("delete from connectivity"))
        await settle(session)
    assert await shown(world) == "never_connected"


async def test_topics_that_are_read_at_the_same_time_do_not_undo_each_others_states(world: Any) -> None:
    await world.seed()
    for number in range(2, 12):
        attempt, epoch = uuid4(), number
        gone = ChargerDisconnected(
            charger_id="CP-1", epoch=epoch - 1, bridge="b", since=world.context.clock.now(), why="closed"
        )
        await asyncio.gather(
            world.say(gone),
            world.say(world.make.connector(state=ConnectorState.FAULTED)),
            world.say(world.make.moved(attempt, 1, Status.RESTARTING)),
        )
        assert await shown(world) == "restarting"
        await asyncio.gather(
            world.say(world.make.connected(epoch=epoch)),
            world.say(world.make.moved(attempt, 2, Status.CANCELLED)),
            world.say(world.make.connector(state=ConnectorState.AVAILABLE)),
        )
        assert await shown(world) == "available"


async def test_a_connector_that_is_free_again_has_no_charging_though_nobody_said_that_it_ended(world: Any) -> None:
    await world.seed()
    begun = TransactionStarted(charger_id="CP-1", epoch=1, transaction_id="7", evse_id=1, connector_id=1)
    await world.say(begun, begun.model_copy(update={"transaction_id": "8", "evse_id": 2}))
    await world.say(world.make.connector(state=ConnectorState.OCCUPIED))
    assert await shown(world) == "charging"

    await world.say(world.make.connector(state=ConnectorState.AVAILABLE))
    await world.say(TransactionUpdated(charger_id="CP-1", epoch=1, transaction_id="7", meter_wh=5.0))

    running = (await world.http.get("/api/v1/chargers/CP-1", headers=world.bearer("user"))).json()["transactions"]
    assert [each["transaction_id"] for each in running] == ["8"], "the other connector's goes on"
