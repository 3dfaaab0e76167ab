"""What other services said is remembered alike in PostgreSQL and in the simulation's tables."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from orchestrator_tables import CHARGER, PERSON, Side, record, said, told

from chassis.testing import FakeClock
from contracts import ocpp
from contracts.auth import MembershipEnded, MembershipGranted
from contracts.billing import PlanSet
from contracts.envelope import Envelope
from contracts.fleet import ChargerRegistered, ChargerRemoved, Escalation, RestartPolicySet
from contracts.ocpp import ConnectorState
from contracts.restart import Status
from contracts.words import REMOTE_RESTART, Plan, Role
from restart_orchestrator.inputs import Standing
from restart_orchestrator.store import Held
from restart_orchestrator.story import (
    ESCALATING,
    Story,
    accepted,
    booted,
    connected,
    dropped,
    rejected,
    requested,
    sent,
)

GROUP = "harbour"


async def project(side: Side, name: str, *batch: Envelope[Any]) -> None:
    """The messages arrive together."""
    projection = side.projections[name]
    async with side.begin() as session:
        await projection.apply(session, list(batch), projection.live)


async def standing_of(side: Side, charger: str = CHARGER, person: str = PERSON) -> Standing:
    """What is known; asked for in both ways, which must not differ."""
    async with side.begin() as session:
        known = await side.store.load_standings(session, [(charger, person)])
        _, again = await side.store.load_requested(session, [(charger, person)], [])
    assert known == again
    return known[charger, person]  # type: ignore[no-any-return]


class TestWhatIsRemembered:
    """The projections and `store.load_standings`."""

    async def test_of_nobody_and_nothing_nothing_is_known(self, side: Side) -> None:
        standing = await standing_of(side)
        assert (standing.group_id, standing.epoch, standing.quiet_since, standing.protocol) == (None, 0, None, None)
        assert not standing.boots_on_return

    async def test_rights_plan_and_model_by_their_newest_version(self, side: Side) -> None:
        for version, role, plan, model in (
            (1, Role.USER, Plan.BASIC, "A"),
            (3, Role.ADMINISTRATOR, Plan.BUSINESS, "B"),
        ):
            await self._rights(side, version, role, plan, model)
        await self._rights(side, 2, Role.OPERATOR, Plan.STANDARD, "C")
        standing = await standing_of(side)
        situation = standing.situation
        assert (situation.role, situation.plan, standing.model) == (Role.ADMINISTRATOR, "business", "B")
        assert (situation.features, situation.abilities) == (frozenset({REMOTE_RESTART}),) * 2
        assert standing.group_id == GROUP
        assert (await standing_of(side, person="grace")).situation.role is None

    async def _rights(self, side: Side, version: int, role: Role, plan: Plan, model: str) -> None:
        able = frozenset({REMOTE_RESTART})
        granted = MembershipGranted(group_id=GROUP, user_id=PERSON, name="Ada", role=role, version=version)
        registered = ChargerRegistered(
            charger_id=CHARGER, group_id=GROUP, label="Quay", model=model, abilities=able, version=version
        )
        await project(side, "memberships", said(granted))
        await project(side, "plans", said(PlanSet(group_id=GROUP, plan=plan, features=able, version=version)))
        await project(side, "chargers", said(registered))

    async def test_what_ends_is_forgotten(self, side: Side) -> None:
        await self._rights(side, 1, Role.ADMINISTRATOR, Plan.BUSINESS, "A")
        await project(side, "memberships", said(MembershipEnded(group_id=GROUP, user_id=PERSON)))
        assert (await standing_of(side)).situation.role is None
        await project(side, "chargers", said(ChargerRemoved(charger_id=CHARGER)))
        assert (await standing_of(side)).group_id is None

    async def test_the_latest_session_counts_and_its_end_last(self, side: Side) -> None:
        def online(epoch: int, at: float) -> Envelope[Any]:
            since = FakeClock().now() + timedelta(seconds=at)
            return said(
                ocpp.ChargerConnected(charger_id=CHARGER, epoch=epoch, protocol="ocpp1.6", bridge="b", since=since)
            )

        def offline(epoch: int, at: float) -> Envelope[Any]:
            since = FakeClock().now() + timedelta(seconds=at)
            return said(ocpp.ChargerDisconnected(charger_id=CHARGER, epoch=epoch, bridge="b", since=since, why="lost"))

        await project(side, "connectivity", online(2, 20), online(1, 10))
        await project(side, "connectivity", offline(1, 15))
        standing = await standing_of(side)
        assert (standing.epoch, standing.situation.online, standing.protocol) == (2, True, "ocpp1.6")
        assert standing.quiet_since == FakeClock().now() + timedelta(seconds=20)
        await project(side, "connectivity", offline(2, 30))
        await project(side, "connectivity", online(2, 20))
        standing = await standing_of(side)
        assert (standing.epoch, standing.situation.online, standing.quiet_since) == (2, False, None)
        assert standing.situation.offline_since.startswith("2026-01-01T00:00:30")

    async def test_the_last_word_of_each_connector_counts(self, side: Side) -> None:
        free, taken, broken = ConnectorState.AVAILABLE, ConnectorState.OCCUPIED, ConnectorState.FAULTED
        await project(side, "observations", self._status(10, taken), self._status(9, free))
        await project(side, "observations", self._status(20, broken, connector=2, error="GroundFailure"))
        await project(side, "observations", self._status(8, free))
        standing = await standing_of(side)
        assert (standing.connectors, standing.faults) == ({"1/1": taken, "1/2": broken}, {"1/2": "GroundFailure"})
        await project(side, "observations", self._status(5, free, epoch=2), self._status(30, taken, epoch=1))
        assert (await standing_of(side)).connectors["1/1"] is free

    async def test_what_a_charger_says_late_by_its_own_clock_is_not_its_last_word(self, side: Side) -> None:
        free, taken = ConnectorState.AVAILABLE, ConnectorState.OCCUPIED
        years = 3650 * 86400.0
        for connector in (1, 2):
            last = self._status(10, taken, said_at=0, connector=connector)
            late = self._status(20, free, said_at=-5, connector=connector)
            for batch in ([last], [late]) if connector == 1 else ([last, late],):
                await project(side, "observations", *batch)
            assert (await standing_of(side)).connectors[f"1/{connector}"] is taken
        put_right = [
            self._status(30, taken, said_at=years, connector=3),
            self._status(40, free, said_at=40, connector=3),
        ]
        for status in put_right:
            await project(side, "observations", status)
        assert (await standing_of(side)).connectors["1/3"] is free

    def _status(
        self,
        at: float,
        state: ConnectorState,
        *,
        epoch: int = 1,
        connector: int = 1,
        error: str | None = None,
        said_at: float | None = None,
    ) -> Envelope[Any]:
        reported = FakeClock().now() + timedelta(seconds=said_at) if said_at is not None else None
        return said(
            ocpp.ConnectorStatusReported(
                charger_id=CHARGER,
                epoch=epoch,
                evse_id=1,
                connector_id=connector,
                state=state,
                raw_status=state.value,
                error_code=error,
                reported_at=reported,
            ),
            at,
        )

    async def test_a_boot_is_remembered_unless_it_was_asked_for(self, side: Side) -> None:
        await project(side, "connectivity", self._online())
        asked = ocpp.ChargerBooted(charger_id=CHARGER, epoch=1, firmware="9", solicited=True)
        triggered = ocpp.ChargerBooted(charger_id=CHARGER, epoch=1, firmware="9", reason="Triggered")
        await project(side, "observations", said(asked, 5), said(triggered, 5))
        assert not (await standing_of(side)).boots_on_return
        await project(side, "observations", said(ocpp.ChargerBooted(charger_id=CHARGER, epoch=1, firmware="2"), 20))
        await project(side, "observations", said(ocpp.ChargerBooted(charger_id=CHARGER, epoch=1, firmware="1"), 10))
        standing = await standing_of(side)
        assert (standing.boots_on_return, standing.firmware) == (True, "2")
        assert standing.quiet_since == FakeClock().now() + timedelta(seconds=20)

    def _online(self) -> Envelope[Any]:
        since = FakeClock().now()
        return said(ocpp.ChargerConnected(charger_id=CHARGER, epoch=1, protocol="ocpp1.6", bridge="b", since=since))

    async def test_an_update_of_the_firmware_goes_on_until_its_end_is_told(self, side: Side) -> None:
        def news(at: float, *, updating: bool) -> Envelope[Any]:
            return said(ocpp.FirmwareStatusReported(charger_id=CHARGER, epoch=1, status="Any", updating=updating), at)

        await project(side, "observations", news(10, updating=True), news(5, updating=False))
        standing = await standing_of(side)
        assert (standing.situation.updating_firmware, standing.firmware_news_at) == (
            True,
            FakeClock().now() + timedelta(seconds=10),
        )
        await project(side, "observations", news(20, updating=False))
        assert not (await standing_of(side)).situation.updating_firmware

    async def test_transactions_run_from_the_first_that_is_heard_to_their_end(self, side: Side) -> None:
        await project(side, "observations", self._charging(ocpp.TransactionStarted, "1", 10))
        await project(side, "observations", self._charging(ocpp.TransactionUpdated, "2", 10, evse=2))
        standing = await standing_of(side)
        assert (standing.situation.transactions, standing.running) == (("1", "2"), {"1": "1/1", "2": "2/1"})
        async with side.begin() as session:
            assert await side.store.load_busy(session, [CHARGER, "CHARGER-2"]) == {CHARGER: {1, 2}}
        await project(side, "observations", self._charging(ocpp.TransactionEnded, "1", 20))
        await project(side, "observations", self._charging(ocpp.TransactionUpdated, "1", 30))
        assert (await standing_of(side)).running == {"2": "2/1"}
        await project(side, "observations", self._charging(ocpp.TransactionEnded, "2", 5, evse=2))
        assert (await standing_of(side)).running == {"2": "2/1"}, "it ended before it was heard of: that is old"

    async def test_a_free_connector_has_no_transaction(self, side: Side) -> None:
        await project(side, "observations", self._charging(ocpp.TransactionStarted, "1", 10))
        await project(side, "observations", self._status(5, ConnectorState.AVAILABLE))
        await project(side, "observations", self._status(15, ConnectorState.AVAILABLE, connector=2))
        assert (await standing_of(side)).situation.transactions == ("1",)
        await project(side, "observations", self._status(20, ConnectorState.AVAILABLE))
        assert (await standing_of(side)).situation.transactions == ()

    def _charging(self, kind: Any, transaction: str, at: float, *, evse: int = 1) -> Envelope[Any]:
        place = {} if kind is ocpp.TransactionUpdated else {"connector_id": 1}
        return said(kind(charger_id=CHARGER, epoch=1, transaction_id=transaction, evse_id=evse, **place), at)

    async def test_what_is_against_a_harder_reset(self, side: Side) -> None:
        harder = Story().tell(requested(by=ESCALATING), sent(), rejected(0.03, by=ESCALATING))
        assert harder.attempt is not None
        escalated = harder.attempt
        assert escalated.status is Status.DISPATCHING
        first, history = told(sent(), accepted(), dropped(10), connected(20), booted(21))
        await record(side, first, history, watching=False)
        async with side.begin() as session:
            await side.write(session, also=side.store.record([Held(escalated, watching=True)], []))
        await project(side, "observations", said(ocpp.ChargerBooted(charger_id=CHARGER, epoch=1), 20))
        now = side.clock.now() + timedelta(seconds=60)
        standing = replace(await standing_of(side), group_id=GROUP)
        async with side.begin() as session:
            assert await side.with_past(session, first, standing, now) == standing
        for version, policy, per_day in ((1, Escalation.OFF, 2), (2, Escalation.SOFT_THEN_HARD, 3)):
            set_to = RestartPolicySet(group_id=GROUP, escalation=policy, escalations_per_day=per_day, version=version)
            await project(side, "policies", said(set_to))
        async with side.begin() as session:
            known = (await side.with_past(session, first, standing, now)).past
            later = (await side.with_past(session, first, standing, now + timedelta(days=2))).past
        assert (known.per_day, known.escalated_at) == (3, tuple(one.at for one in escalated.escalations))
        assert (known.booted_at, known.ended_badly) == ((FakeClock().now() + timedelta(seconds=20),), False)
        assert later.escalated_at == ()
