"""Every request of the three versions' schemas, sent by a charger: it gets a correct answer, whatever it is."""

import asyncio

import orjson
import pytest
from ocpp_samples import VERSIONS, actions, sample
from prometheus_client import CollectorRegistry

from chassis.clock import SystemClock
from contracts.fleet import CredentialSet
from ocpp_bridge.black_box import BlackBoxes, Box
from ocpp_bridge.boots import Boots
from ocpp_bridge.calls import Calls
from ocpp_bridge.dialects import DIALECTS
from ocpp_bridge.frames import Call, call
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.registrations import Registrations
from ocpp_bridge.sessions import Sessions
from ocpp_bridge.settings import Settings

_WORDS = {
    "ocpp1.6": """
        Authorize BootNotification DataTransfer DiagnosticsStatusNotification FirmwareStatusNotification Heartbeat
        LogStatusNotification MeterValues SecurityEventNotification SignCertificate SignedFirmwareStatusNotification
        StartTransaction StatusNotification StopTransaction
    """,
    "ocpp2.0.1": """
        Authorize BootNotification ClearedChargingLimit DataTransfer FirmwareStatusNotification Get15118EVCertificate
        GetCertificateStatus Heartbeat LogStatusNotification MeterValues NotifyChargingLimit NotifyCustomerInformation
        NotifyDisplayMessages NotifyEVChargingNeeds NotifyEVChargingSchedule NotifyEvent NotifyMonitoringReport
        NotifyReport PublishFirmwareStatusNotification ReportChargingProfiles ReservationStatusUpdate
        SecurityEventNotification SignCertificate StatusNotification TransactionEvent
    """,
    "ocpp2.1": """
        BatterySwap ClosePeriodicEventStream GetCertificateChainStatus NotifyDERAlarm NotifyDERStartStop
        NotifyPriorityCharging NotifySettlement NotifyWebPaymentStarted OpenPeriodicEventStream
        PullDynamicScheduleUpdate ReportDERControl VatNumberValidation
    """,
}
FROM_CHARGER = {protocol: set(words.split()) for protocol, words in _WORDS.items()}
FROM_CHARGER["ocpp2.1"] |= FROM_CHARGER["ocpp2.0.1"]
"""What stations send, by the specifications; the rest of the schemas is the server's own to send."""

CASES = [(protocol, action) for protocol in VERSIONS for action in actions(protocol)]


class Elsewhere:
    """Kafka, the database and fleet, all of which agree with whatever is asked."""

    def __init__(self) -> None:
        self.registrations = Registrations(Sessions(), frozenset(), SystemClock())
        self.credentials = self

    def observations(self, _said, _data):
        told = asyncio.get_running_loop().create_future()
        told.set_result(None)
        return told

    async def accept(self, *_session, accepted):
        assert accepted

    async def started(self, *_start):
        return 7

    async def stopped(self, *_stop):
        return 1

    def of(self, charger_id):
        return CredentialSet(charger_id=charger_id, security_profile=0, version=1)

    def vouches_for(self, _session, _boot):
        return True


class Accepted:
    """A session whose boot was accepted."""

    charger_id, epoch, accepted, rejected = "garage-1", 1, True, False

    def __init__(self, protocol) -> None:
        self.dialect = DIALECTS[protocol]
        self.box = Box()


def answer(protocol, action, payload):
    elsewhere, session = Elsewhere(), Accepted(protocol)
    metrics = BridgeMetrics(CollectorRegistry())
    calls = Calls(
        publishing=elsewhere,
        trust=elsewhere,
        epochs=elsewhere,
        transactions=elsewhere,
        clock=SystemClock(),
        settings=Settings(),
        metrics=metrics,
        boxes=BlackBoxes(metrics),
        boots=Boots(at_once=1, patience_s=5, interval_s=5, first=(), metrics=metrics),
    )

    async def run():
        given = calls.answer(session, Call("m1", action, payload), call("m1", action, payload))
        return given if isinstance(given, bytes) else await given

    return orjson.loads(asyncio.run(run()))


@pytest.mark.parametrize(("protocol", "action"), CASES)
def test_every_request_of_the_schemas_gets_a_correct_answer(protocol, action):
    schemas = DIALECTS[protocol].schemas
    payload = sample(protocol, action)
    assert schemas.check_call(action, payload).violation is None
    kind, message_id, *rest = answer(protocol, action, payload)
    assert message_id == "m1"
    if action in FROM_CHARGER[protocol]:
        assert kind == 3, rest
        checked = schemas.check_answer(action, rest[0])
        assert (checked.violation, checked.deviations) == (None, ()), checked.why
    else:
        assert (kind, rest[0]) == (4, "NotSupported")


@pytest.mark.parametrize("protocol", VERSIONS)
def test_what_chargers_send_is_a_part_of_the_schemas(protocol):
    assert set(actions(protocol)) >= FROM_CHARGER[protocol]


@pytest.mark.parametrize("protocol", VERSIONS)
@pytest.mark.parametrize("action", ["MakeCoffee", "", "heartbeat", "HeartbeatRequest", "x" * 10_000])
def test_an_action_that_no_schema_has_is_not_implemented(protocol, action):
    kind, message_id, code, *_ = answer(protocol, action, {})
    assert (kind, message_id, code) == (4, "m1", "NotImplemented")


@pytest.mark.parametrize(("protocol", "action"), [case for case in CASES if case[1] in FROM_CHARGER[case[0]]])
def test_every_request_of_a_charger_may_carry_vendors_fields_and_nulls(protocol, action):
    payload = sample(protocol, action) | {"vendorInvention": {"a": 1}, "anotherOne": None}
    kind, _, *rest = answer(protocol, action, payload)
    assert kind == 3, rest


@pytest.mark.parametrize(("protocol", "action"), [case for case in CASES if case[1] in FROM_CHARGER[case[0]]])
def test_a_request_without_what_it_needs_is_refused_by_the_code_of_its_version(protocol, action):
    payload = sample(protocol, action)
    if not payload:
        assert answer(protocol, action, {})[0] == 3
        return
    payload.popitem()
    kind, _, code, *_ = answer(protocol, action, payload)
    expected = "OccurenceConstraintViolation" if protocol == "ocpp1.6" else "OccurrenceConstraintViolation"
    assert (kind, code) == (4, expected)
