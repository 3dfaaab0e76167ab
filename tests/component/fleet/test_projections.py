"""What fleet remembers of connectivity: shown, and built again to the same rows whatever the batches were."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.schema import CreateTable

from chassis.testing import FakeClock
from contracts import topics
from contracts.envelope import Envelope
from contracts.ocpp import ChargerConnected, ChargerDisconnected
from fleet.projections import PROJECTIONS

CONNECTIVITY = PROJECTIONS["connectivity"]
NOW = FakeClock().now()


def connected(epoch: int) -> ChargerConnected:
    since = NOW + timedelta(minutes=2 * epoch)
    return ChargerConnected(charger_id="C-1", epoch=epoch, protocol="ocpp2.0.1", bridge="b-1", since=since)


def disconnected(epoch: int) -> ChargerDisconnected:
    since = NOW + timedelta(minutes=2 * epoch + 1)
    return ChargerDisconnected(charger_id="C-1", epoch=epoch, bridge="b-1", since=since, why="closed")


async def connectivity(fleet: Any) -> Any:
    return (await fleet.http.get("/api/v1/fleet/chargers/C-1")).json()["connectivity"]


async def test_a_charger_is_shown_online_and_then_offline_since_when(fleet: Any) -> None:
    await fleet.register("C-1")
    assert await connectivity(fleet) is None

    await fleet.hear(topics.OCPP_CONNECTIVITY, [connected(1)])
    online = await connectivity(fleet)
    assert (online["online"], online["epoch"], online["protocol"]) == (True, 1, "ocpp2.0.1")
    assert online["since"].startswith("2026-01-01T00:02:00")

    await fleet.hear(topics.OCPP_CONNECTIVITY, [disconnected(1)])
    offline = await connectivity(fleet)
    assert (offline["online"], offline["epoch"], offline["protocol"]) == (False, 1, None)
    assert offline["since"].startswith("2026-01-01T00:03:00")


async def test_the_end_of_an_older_session_is_old_news(fleet: Any) -> None:
    await fleet.register("C-1")

    await fleet.hear(topics.OCPP_CONNECTIVITY, [connected(1)])
    await fleet.hear(topics.OCPP_CONNECTIVITY, [connected(2)])
    await fleet.hear(topics.OCPP_CONNECTIVITY, [disconnected(1)])

    assert (await connectivity(fleet))["online"] is True


HISTORY: list[ChargerConnected | ChargerDisconnected] = [
    connected(1),
    disconnected(1),
    connected(2),
    connected(3),
    disconnected(2),
    disconnected(3),
]


@pytest.mark.parametrize("seen", range(1, len(HISTORY) + 1))
@pytest.mark.parametrize("repeat", [False, True])
async def test_the_same_row_comes_of_one_batch_of_many_and_of_repeats(fleet: Any, seen: int, repeat: bool) -> None:
    history = [Envelope(uuid4(), "/services/ocpp-bridge", NOW, message) for message in HISTORY[:seen]]
    one_by_one = [[message] for message in history]
    overlapping = [list(pair) for pair in pairwise(history)] or [history]
    again = [history] if repeat else []

    outcomes = [await rows_after(fleet, *batches, *again) for batches in ([history], one_by_one, overlapping)]

    assert outcomes[0] == outcomes[1] == outcomes[2]
    last_epoch = max(message.epoch for message in HISTORY[:seen])
    assert [(row.epoch, row.online) for row in outcomes[0]] == [
        (last_epoch, disconnected(last_epoch) not in HISTORY[:seen])
    ]


async def rows_after(fleet: Any, *batches: Sequence[Envelope[Any]]) -> list[Any]:
    """The rows of a fresh copy of the table after these batches."""
    tables = CONNECTIVITY.beside("_copy")
    async with fleet.service.database.session() as session:
        await session.execute(CreateTable(tables["connectivity"]))
        for batch in batches:
            await CONNECTIVITY.apply(session, batch, tables)
        return list(await session.execute(select(tables["connectivity"])))
