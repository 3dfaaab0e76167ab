"""Read views on a real database: whatever is delivered again or late, the rows are those of one delivery in order."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import select, text
from sqlalchemy.schema import CreateTable, DropTable

from chassis import migrations
from contracts.envelope import Envelope
from contracts.ocpp import (
    ChargerBooted,
    ChargerDisconnected,
    FirmwareStatusReported,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.restart import Status
from portal.projections import PROJECTIONS
from portal.tables import metadata

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def story(world):
    """One charger's day, by projection, in the order of each topic."""
    make, attempt = world.make, uuid4()
    transaction = {"charger_id": "CP-1", "epoch": 1, "transaction_id": "7"}
    return {
        "chargers": [make.charger(version=1), make.charger(version=2, label="Renamed")],
        "connectivity": [
            make.connected(epoch=1),
            ChargerDisconnected(charger_id="CP-1", epoch=1, bridge="b", since=AT, why="lost"),
            make.connected(epoch=2),
        ],
        "observations": [
            ChargerBooted(charger_id="CP-1", epoch=1, firmware="1.0"),
            make.connector(),
            TransactionStarted(**transaction, evse_id=1, connector_id=1, meter_wh=10.0),
            TransactionUpdated(**transaction, meter_wh=20.0),
            TransactionEnded(**transaction, reason="Local", meter_wh=30.0),
            FirmwareStatusReported(charger_id="CP-1", epoch=1, status="Installing", updating=True),
            ChargerBooted(charger_id="CP-1", epoch=2, firmware="2.0"),
            FirmwareStatusReported(charger_id="CP-1", epoch=2, status="Installed", updating=False),
        ],
        "attempts": [make.moved(attempt, version, Status.RESTARTING) for version in (1, 2, 3)],
    }


def enveloped(messages):
    return [
        Envelope(uuid4(), "/services/test", AT + timedelta(seconds=place), message)
        for place, message in enumerate(messages)
    ]


async def rows(session, tables):
    return {name: sorted(map(repr, await session.execute(select(table)))) for name, table in tables.items()}


async def test_messages_that_come_again_and_in_pieces_give_the_rows_of_one_delivery(world):
    for name, messages in story(world).items():
        projection, read = PROJECTIONS[name], enveloped(messages)
        async with world.database.begin() as session:
            await projection.apply(session, read, projection.live)
        async with world.database.begin() as session:
            once = await rows(session, projection.live)
        for place in range(len(read)):
            async with world.database.begin() as session:
                await projection.apply(session, read[place:], projection.live)
        async with world.database.begin() as session:
            assert await rows(session, projection.live) == once, name


async def test_a_projection_is_built_beside_the_live_one_and_is_the_same(world):
    for name, messages in story(world).items():
        projection, read = PROJECTIONS[name], enveloped(messages)
        beside = projection.beside("_rebuilt")
        async with world.database.begin() as session:
            for message in read:
                await projection.apply(session, [message], projection.live)
            connection = await session.connection()
            for table in beside.values():
                await connection.execute(CreateTable(table))
            await projection.apply(session, read, beside)
            assert await rows(session, projection.live) == await rows(session, beside)
            for table in beside.values():
                await connection.execute(DropTable(table))


async def test_chargers_are_kept_apart_in_one_batch(world):
    numbers = [*range(10, 20), *range(10)]
    projection = PROJECTIONS["observations"]
    read = enveloped([world.make.connector(f"CP-{number}") for number in numbers])
    async with world.database.begin() as session:
        await projection.apply(session, read, projection.live)
        found = await session.execute(text("select count(distinct charger_id) from connectors"))
        assert found.scalar_one() == 20


async def test_models_and_migrations_describe_the_same_tables(world):
    await migrations.check("portal", metadata, migrations.directory_of("portal"), world.database.dsn)
