"""What is remembered of other services: guarded, so that neither repetition nor lateness does harm."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from chassis.testing import FakeClock
from contracts import ocpp, topics
from contracts.auth import MembershipEnded, MembershipGranted
from contracts.billing import PlanSet
from contracts.fleet import ChargerRegistered, ChargerRemoved
from contracts.words import REMOTE_RESTART, Plan, Role
from restart_orchestrator import store
from restart_orchestrator.projections import PROJECTIONS

CHARGER, GROUP, PERSON, SESSION = "CHARGER-1", "harbour", "ada", 7
LONG_AGO = FakeClock().now()


async def known(orchestrator):
    async with orchestrator.database.begin() as session:
        return (await store.load_standings(session, [(CHARGER, PERSON)]))[CHARGER, PERSON]


async def test_of_nobody_and_nothing_nothing_is_known(start):
    standing = await known(await start())
    assert standing.situation.role is None
    assert standing.situation.plan is None
    assert not standing.situation.online
    assert standing.epoch == 0
    assert standing.quiet_since is None
    assert not standing.boots_on_return


async def test_all_that_is_known_is_gathered_at_once(orchestrator):
    await orchestrator.begin_charging()
    standing = await known(orchestrator)
    situation = standing.situation
    assert (situation.role, situation.plan, situation.features) == (
        Role.ADMINISTRATOR,
        "business",
        frozenset({REMOTE_RESTART}),
    )
    assert (standing.group_id, standing.model, standing.epoch, standing.protocol) == (
        GROUP,
        "Terra AC",
        SESSION,
        "ocpp1.6",
    )
    assert situation.online
    assert situation.transactions == ("1",)
    assert standing.connectors == {"1/1": "available"}
    assert standing.boots_on_return
    assert standing.quiet_since == orchestrator.clock.now() - timedelta(seconds=60)


async def test_an_older_version_changes_nothing(orchestrator):
    for version, role, plan, model in [(3, Role.USER, Plan.BASIC, "New"), (2, Role.OPERATOR, Plan.STANDARD, "Old")]:
        granted = MembershipGranted(group_id=GROUP, user_id=PERSON, name="Ada", role=role, version=version)
        await orchestrator.hear(topics.AUTH_MEMBERSHIPS, granted)
        await orchestrator.hear(
            topics.BILLING_PLANS, PlanSet(group_id=GROUP, plan=plan, features=frozenset(), version=version)
        )
        charger = ChargerRegistered(
            charger_id=CHARGER, group_id=GROUP, label="Quay", model=model, abilities=frozenset(), version=version
        )
        await orchestrator.hear(topics.FLEET_CHARGERS, charger)
    standing = await known(orchestrator)
    assert (standing.situation.role, standing.situation.plan, standing.model) == (Role.USER, "basic", "New")


async def test_in_one_batch_the_last_word_counts(orchestrator):
    granted = MembershipGranted(group_id=GROUP, user_id=PERSON, name="Ada", role=Role.USER, version=2)
    ended = MembershipEnded(group_id=GROUP, user_id=PERSON)
    await orchestrator.hear(topics.AUTH_MEMBERSHIPS, granted, ended)
    assert (await known(orchestrator)).situation.role is None
    again = granted.model_copy(update={"version": 3})
    await orchestrator.hear(topics.AUTH_MEMBERSHIPS, ended, again)
    assert (await known(orchestrator)).situation.role is Role.USER
    begun_anew = granted.model_copy(update={"version": 1, "role": Role.OPERATOR})
    await orchestrator.hear(topics.AUTH_MEMBERSHIPS, ended, begun_anew)
    assert (await known(orchestrator)).situation.role is Role.OPERATOR
    charger = ChargerRegistered(
        charger_id=CHARGER, group_id=GROUP, label="Quay", model="M", abilities=frozenset(), version=2
    )
    await orchestrator.hear(topics.FLEET_CHARGERS, charger, ChargerRemoved(charger_id=CHARGER))
    assert (await known(orchestrator)).model is None


async def test_the_end_of_an_old_session_is_old_news(orchestrator):
    await orchestrator.connect(SESSION + 1)
    await orchestrator.disconnect(SESSION)
    standing = await known(orchestrator)
    assert (standing.situation.online, standing.epoch) == (True, SESSION + 1)
    await orchestrator.disconnect(SESSION + 1)
    await orchestrator.connect(SESSION + 1)
    assert not (await known(orchestrator)).situation.online


async def test_of_a_charger_that_returns_within_one_batch_the_last_session_counts(orchestrator):
    now = orchestrator.clock.now()
    await orchestrator.hear(
        topics.OCPP_CONNECTIVITY,
        ocpp.ChargerDisconnected(charger_id=CHARGER, epoch=SESSION, bridge="b", since=now, why="lost"),
        ocpp.ChargerConnected(charger_id=CHARGER, epoch=SESSION + 1, protocol="ocpp2.1", bridge="b", since=now),
        ocpp.ChargerDisconnected(charger_id=CHARGER, epoch=SESSION, bridge="b", since=now, why="lost"),
    )
    standing = await known(orchestrator)
    assert (standing.situation.online, standing.epoch, standing.protocol) == (True, SESSION + 1, "ocpp2.1")


async def test_a_transaction_that_has_ended_does_not_begin_again(orchestrator):
    await orchestrator.begin_charging()
    await orchestrator.end_charging(after=60)
    orchestrator.clock.advance(1)
    await orchestrator.begin_charging()
    updated = ocpp.TransactionUpdated(charger_id=CHARGER, epoch=SESSION, transaction_id="1", evse_id=1)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, updated)
    assert (await known(orchestrator)).situation.transactions == ()


async def test_a_transaction_may_end_within_the_batch_it_began_in(orchestrator):
    begun = ocpp.TransactionStarted(charger_id=CHARGER, epoch=SESSION, transaction_id="1", evse_id=1)
    ended = ocpp.TransactionEnded(charger_id=CHARGER, epoch=SESSION, transaction_id="1", evse_id=1)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, begun, ended)
    assert (await known(orchestrator)).situation.transactions == ()


async def test_a_transaction_whose_beginning_was_missed_is_known_from_its_meter(orchestrator):
    updated = ocpp.TransactionUpdated(charger_id=CHARGER, epoch=SESSION, transaction_id="5", evse_id=2)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, updated)
    assert (await known(orchestrator)).situation.transactions == ("2",)


async def test_each_running_transaction_is_told_with_its_connector(orchestrator):
    """As far as it is known; the first connector of an EVSE has no number of its own for people."""
    for transaction, evse_id, connector_id in (("7", None, None), ("6", 2, 2), ("5", 2, 1), ("4", 1, None)):
        begun = ocpp.TransactionStarted(
            charger_id=CHARGER, epoch=SESSION, transaction_id=transaction, evse_id=evse_id, connector_id=connector_id
        )
        await orchestrator.hear(topics.OCPP_OBSERVATIONS, begun)
    standing = await known(orchestrator)
    assert standing.situation.transactions == ("1", "2", "2.2", "7")
    assert standing.running == {"4": "1/1", "5": "2/1", "6": "2/2", "7": ""}


async def test_a_connector_that_is_available_has_no_transaction(orchestrator):
    """Some firmware never sends StopTransaction after a hard reset."""
    await orchestrator.begin_charging()
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, orchestrator.status(state="unavailable"), after=1)
    assert (await known(orchestrator)).situation.transactions == ("1",)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, orchestrator.status(SESSION + 1), after=1)
    assert (await known(orchestrator)).situation.transactions == ()


async def test_another_connector_that_is_available_says_nothing_of_a_transaction(orchestrator):
    await orchestrator.begin_charging()
    other = ocpp.ConnectorStatusReported(
        charger_id=CHARGER, epoch=SESSION, evse_id=2, connector_id=1, state="available", raw_status="Available"
    )
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, other, after=1)
    assert (await known(orchestrator)).situation.transactions == ("1",)


async def test_a_connector_was_available_before_its_transaction_began(orchestrator):
    free = orchestrator.said(topics.OCPP_OBSERVATIONS, orchestrator.status())
    orchestrator.clock.advance(1)
    await orchestrator.begin_charging()
    await orchestrator.hear_again(topics.OCPP_OBSERVATIONS, free)
    assert (await known(orchestrator)).situation.transactions == ("1",)


async def test_the_last_status_of_the_last_session_counts(orchestrator):
    old = orchestrator.said(topics.OCPP_OBSERVATIONS, orchestrator.status(state="faulted"))
    new = orchestrator.status(SESSION + 1, state="occupied")
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, orchestrator.status(SESSION + 1), new, after=1)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, new, after=1)
    await orchestrator.hear_again(topics.OCPP_OBSERVATIONS, old)
    assert (await known(orchestrator)).connectors == {"1/1": "occupied"}


async def test_a_status_that_is_sent_late_by_the_chargers_own_clock_is_not_its_last_word(orchestrator):
    at = orchestrator.clock.now()
    for state, said in (("available", 0), ("unavailable", -300)):
        status = orchestrator.status(state=state).model_copy(update={"reported_at": at + timedelta(seconds=said)})
        await orchestrator.hear(topics.OCPP_OBSERVATIONS, status, after=1)
    assert (await known(orchestrator)).connectors == {"1/1": "available"}


@pytest.mark.parametrize("far_off", [timedelta(days=-400), timedelta(days=2)])
async def test_a_clock_that_is_far_off_says_nothing_about_what_is_late(orchestrator, far_off):
    at = orchestrator.clock.now()
    for state, said in (("available", timedelta()), ("faulted", far_off)):
        status = orchestrator.status(state=state).model_copy(update={"reported_at": at + said})
        await orchestrator.hear(topics.OCPP_OBSERVATIONS, status, after=1)
    assert (await known(orchestrator)).connectors == {"1/1": "faulted"}


async def test_on_a_new_session_a_slower_clock_starts_anew(orchestrator):
    at = orchestrator.clock.now()
    for session, state, said in ((SESSION, "available", 0), (SESSION + 1, "faulted", -60)):
        status = orchestrator.status(session, state=state)
        status = status.model_copy(update={"reported_at": at + timedelta(seconds=said)})
        await orchestrator.hear(topics.OCPP_OBSERVATIONS, status, after=1)
    assert (await known(orchestrator)).connectors == {"1/1": "faulted"}


async def test_what_a_restart_is_compared_with_is_gathered(orchestrator):
    broken = orchestrator.status(state="faulted").model_copy(update={"error_code": "GroundFailure"})
    booted = ocpp.ChargerBooted(charger_id=CHARGER, epoch=SESSION, firmware="1.2.3")
    updating = ocpp.FirmwareStatusReported(charger_id=CHARGER, epoch=SESSION, status="Installing", updating=True)
    await orchestrator.begin_charging()
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, broken, booted, updating)
    standing = await known(orchestrator)
    assert standing.faults == {"1/1": "GroundFailure"}
    assert standing.running == {"1": "1/1"}
    assert standing.firmware == "1.2.3"
    assert (standing.situation.updating_firmware, standing.firmware_news_at) == (True, orchestrator.clock.now())
    assert standing.expected is None


async def test_the_last_boots_are_remembered_in_whatever_order_they_come(orchestrator):
    begin = orchestrator.clock.now()
    told = []
    for session in range(1, 6):
        booted = ocpp.ChargerBooted(charger_id=CHARGER, epoch=SESSION + session)
        told.extend(await orchestrator.hear(topics.OCPP_OBSERVATIONS, booted, after=10))
    await orchestrator.hear_again(topics.OCPP_OBSERVATIONS, told[::-1])
    async with orchestrator.database.begin() as session:
        (found,) = (await session.execute(text("select booted_at from recent_boots"))).scalars().all()
    assert found == [begin + timedelta(seconds=10 * number) for number in (5, 4, 3)]


async def test_a_boot_that_was_asked_for_is_no_boot(start):
    orchestrator = await start()
    await orchestrator.connect()
    await orchestrator.hear(
        topics.OCPP_OBSERVATIONS,
        ocpp.ChargerBooted(charger_id=CHARGER, epoch=SESSION, solicited=True),
        ocpp.ChargerBooted(charger_id=CHARGER, epoch=SESSION, reason="Triggered"),
    )
    assert not (await known(orchestrator)).boots_on_return


async def test_a_boot_of_the_open_session_is_when_the_quiet_began(orchestrator):
    await orchestrator.connect(SESSION + 1)
    connected = orchestrator.clock.now()
    assert (await known(orchestrator)).quiet_since == connected
    await orchestrator.boot(SESSION + 1, after=3)
    assert (await known(orchestrator)).quiet_since == connected + timedelta(seconds=3)


@pytest.mark.parametrize("size", [1, 2, 100])
async def test_a_projection_that_is_built_again_in_other_batches_is_the_same(orchestrator, size):
    """Beside the live one, under another name, from the same messages."""
    told = []
    for second, message in enumerate(HISTORY):
        told.extend(await orchestrator.hear(topics.OCPP_OBSERVATIONS, message, after=second % 3))
    projection = PROJECTIONS["observations"]
    shadow = projection.beside("__beside")
    async with orchestrator.database.begin() as session:
        for name, table in projection.live.items():
            await session.execute(table.delete())
            await session.execute(text(f"create table {shadow[name].name} (like {name} including all)"))
        for message in told:
            await projection.apply(session, [message], projection.live)
        for first in range(0, len(told), size):
            await projection.apply(session, told[first : first + size], shadow)
        await projection.apply(session, told[-3:], shadow)
    for table in projection.tables:
        assert await rows(orchestrator, table.name) == await rows(orchestrator, f"{table.name}__beside")
    assert len(await rows(orchestrator, "transactions")) == 4


def _transaction(kind, number, **facts):
    return kind(charger_id=CHARGER, epoch=SESSION, transaction_id=str(number), **facts)


def _status(state, session=SESSION):
    return ocpp.ConnectorStatusReported(
        charger_id=CHARGER, epoch=session, evse_id=1, connector_id=1, state=state, raw_status=state
    )


HISTORY = (
    ocpp.ChargerBooted(charger_id=CHARGER, epoch=SESSION),
    _status("available"),
    _transaction(ocpp.TransactionStarted, 1, evse_id=1, connector_id=1),
    _status("occupied"),
    _transaction(ocpp.TransactionUpdated, 1, evse_id=1),
    _status("available"),
    _transaction(ocpp.TransactionEnded, 1, reason="Local"),
    _transaction(ocpp.TransactionStarted, 2, evse_id=1, connector_id=1),
    _transaction(ocpp.TransactionEnded, 2, evse_id=1, connector_id=1),
    _transaction(ocpp.TransactionUpdated, 2, evse_id=1),
    ocpp.FirmwareStatusReported(charger_id=CHARGER, epoch=SESSION, status="Installing", updating=True),
    _transaction(ocpp.TransactionStarted, 3, evse_id=1, connector_id=1),
    ocpp.ChargerBooted(charger_id=CHARGER, epoch=SESSION + 1, reason="PowerUp"),
    _status("available", SESSION + 1),
    _transaction(ocpp.TransactionEnded, 2, evse_id=1, connector_id=1),
    ocpp.FirmwareStatusReported(charger_id=CHARGER, epoch=SESSION + 1, status="Installed", updating=False),
    _transaction(ocpp.TransactionStarted, 4, evse_id=1),
    _status("faulted", SESSION + 1),
    *(ocpp.ChargerBooted(charger_id=CHARGER, epoch=SESSION + 1, firmware=f"1.{number}") for number in range(4)),
    _status("available", SESSION + 1).model_copy(update={"reported_at": LONG_AGO + timedelta(seconds=60)}),
    _status("occupied", SESSION + 1).model_copy(update={"reported_at": LONG_AGO}),
)


async def rows(orchestrator, table):
    async with orchestrator.database.begin() as session:
        found = await session.execute(text(f"select to_jsonb(t) from {table} t order by 1"))  # noqa: S608
        return [row[0] for row in found]
