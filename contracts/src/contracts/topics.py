"""Every topic, as a typed constant: what it carries, who writes it, who may read it, how long it is kept."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from contracts import auth, billing, calls, fleet, ocpp, restart
from contracts.envelope import Message

PARTITIONS = 12
"""Of every topic: charger-keyed topics must agree, and one number for all is the easiest to keep true."""


class Service(StrEnum):
    """The services, by folder name; also their Kafka principals."""

    AUTH = "auth"
    BILLING = "billing"
    FLEET = "fleet"
    OCPP_BRIDGE = "ocpp-bridge"
    RESTART_ORCHESTRATOR = "restart-orchestrator"
    PORTAL = "portal"


class TopicKind(StrEnum):
    """How a topic forgets."""

    COMPACTED = "compacted"
    RETAINED = "retained"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. Rights in Kafka are derived from `writer` and `readers`; nobody else may touch it.

    Attributes:
        key: what the Kafka key names.
        retention: how long a record is kept; None for a compacted topic, which keeps the last of each key.
        messages: every message that may stand on it.
        confidential: not even the platform's operators read it.
    """

    name: str
    key: str
    kind: TopicKind
    writer: Service
    readers: tuple[Service, ...]
    retention: timedelta | None
    messages: tuple[type[Message], ...]
    about: str
    partitions: int = PARTITIONS
    confidential: bool = False


_RETAINED = timedelta(days=30)
_SHORT = timedelta(hours=1)

AUTH_GROUPS = Topic(
    name="auth.groups.v1",
    key="group",
    kind=TopicKind.COMPACTED,
    writer=Service.AUTH,
    readers=(Service.BILLING, Service.FLEET, Service.PORTAL),
    retention=None,
    messages=(auth.GroupDefined,),
    about="Which groups there are.",
)
AUTH_MEMBERSHIPS = Topic(
    name="auth.memberships.v1",
    key="group/user",
    kind=TopicKind.COMPACTED,
    writer=Service.AUTH,
    readers=(Service.BILLING, Service.FLEET, Service.RESTART_ORCHESTRATOR, Service.PORTAL),
    retention=None,
    messages=(auth.MembershipGranted, auth.MembershipEnded),
    about="The role of a person in a group.",
)
AUTH_SIGNING_KEYS = Topic(
    name="auth.signing-keys.v1",
    key="key id",
    kind=TopicKind.COMPACTED,
    writer=Service.AUTH,
    readers=(Service.BILLING, Service.FLEET, Service.OCPP_BRIDGE, Service.PORTAL),
    retention=None,
    messages=(auth.SigningKeyPublished, auth.SigningKeyRetired),
    about="The public keys of access tokens.",
)
BILLING_PLANS = Topic(
    name="billing.plans.v1",
    key="group",
    kind=TopicKind.COMPACTED,
    writer=Service.BILLING,
    readers=(Service.RESTART_ORCHESTRATOR, Service.PORTAL),
    retention=None,
    messages=(billing.PlanSet,),
    about="The plan of a group and its features.",
)
FLEET_CHARGERS = Topic(
    name="fleet.chargers.v1",
    key="charger",
    kind=TopicKind.COMPACTED,
    writer=Service.FLEET,
    readers=(Service.RESTART_ORCHESTRATOR, Service.PORTAL),
    retention=None,
    messages=(fleet.ChargerRegistered, fleet.ChargerRemoved),
    about="Which chargers there are, whose they are and what they can do.",
)
FLEET_CREDENTIALS = Topic(
    name="fleet.credentials.v1",
    key="charger",
    kind=TopicKind.COMPACTED,
    writer=Service.FLEET,
    readers=(Service.OCPP_BRIDGE,),
    retention=None,
    messages=(fleet.CredentialSet, fleet.CredentialRevoked),
    about="How each charger proves who it is. Verifiers only, and only the bridge may read them.",
    confidential=True,
)
FLEET_RESTART_POLICIES = Topic(
    name="fleet.restart-policies.v1",
    key="group",
    kind=TopicKind.COMPACTED,
    writer=Service.FLEET,
    readers=(Service.RESTART_ORCHESTRATOR,),
    retention=None,
    messages=(fleet.RestartPolicySet,),
    about="What a group allows when a soft restart brings nothing.",
)
OCPP_CONNECTIVITY = Topic(
    name="ocpp.connectivity.v1",
    key="charger",
    kind=TopicKind.COMPACTED,
    writer=Service.OCPP_BRIDGE,
    readers=(Service.FLEET, Service.RESTART_ORCHESTRATOR, Service.PORTAL),
    retention=None,
    messages=(ocpp.ChargerConnected, ocpp.ChargerDisconnected),
    about="Which chargers have an open session, and which number it has.",
)
OCPP_OBSERVATIONS = Topic(
    name="ocpp.observations.v1",
    key="charger",
    kind=TopicKind.RETAINED,
    writer=Service.OCPP_BRIDGE,
    readers=(Service.RESTART_ORCHESTRATOR, Service.PORTAL),
    retention=_RETAINED,
    messages=(
        ocpp.ChargerBooted,
        ocpp.ConnectorStatusReported,
        ocpp.TransactionStarted,
        ocpp.TransactionUpdated,
        ocpp.TransactionEnded,
        ocpp.SecurityEventReported,
        ocpp.FirmwareStatusReported,
        ocpp.ConnectionRefused,
    ),
    about="What chargers say of themselves.",
)
OCPP_STRANGERS = Topic(
    name="ocpp.strangers.v1",
    key="address",
    kind=TopicKind.RETAINED,
    writer=Service.OCPP_BRIDGE,
    readers=(Service.PORTAL,),
    retention=_RETAINED,
    messages=(ocpp.StrangerRefused,),
    about="Who was turned away before he had named a charger.",
)
RESTART_REQUESTS = Topic(
    name="restart.requests.v1",
    key="charger",
    kind=TopicKind.RETAINED,
    writer=Service.PORTAL,
    readers=(Service.RESTART_ORCHESTRATOR,),
    retention=_RETAINED,
    messages=(restart.RequestRestart, restart.CancelRestart),
    about="What people ask for.",
)
OCPP_COMMANDS = Topic(
    name="ocpp.commands.v1",
    key="charger",
    kind=TopicKind.SHORT,
    writer=Service.RESTART_ORCHESTRATOR,
    readers=(Service.OCPP_BRIDGE,),
    retention=_SHORT,
    messages=(ocpp.ResetCharger, ocpp.ProbeCharger, ocpp.WithdrawReset),
    about="What chargers are to be told. Each command says until when it may be carried out.",
)
OCPP_ANSWERS = Topic(
    name="ocpp.answers.v1",
    key="charger",
    kind=TopicKind.RETAINED,
    writer=Service.OCPP_BRIDGE,
    readers=(Service.RESTART_ORCHESTRATOR,),
    retention=_RETAINED,
    messages=(
        ocpp.ResetSent,
        ocpp.ResetAccepted,
        ocpp.ResetScheduled,
        ocpp.ResetRejected,
        ocpp.ResetUnsupported,
        ocpp.ResetUnanswered,
        ocpp.ResetNotDelivered,
        ocpp.ChargerProbed,
        ocpp.ResetWithdrawn,
        ocpp.ResetNotWithdrawn,
    ),
    about="What became of each command.",
)
RESTART_ATTEMPTS = Topic(
    name="restart.attempts.v1",
    key="charger",
    kind=TopicKind.RETAINED,
    writer=Service.RESTART_ORCHESTRATOR,
    readers=(Service.OCPP_BRIDGE, Service.PORTAL),
    retention=timedelta(days=400),
    messages=(restart.AttemptMoved,),
    about="Every move of every attempt, with its evidence: the record from which any view can be rebuilt.",
)
RESTART_DURATIONS = Topic(
    name="restart.durations.v1",
    key="model/firmware",
    kind=TopicKind.COMPACTED,
    writer=Service.RESTART_ORCHESTRATOR,
    readers=(Service.PORTAL,),
    retention=None,
    messages=(restart.DurationsLearned,),
    about="How long restarts usually take, per model and firmware.",
)
OCPP_CALLS = Topic(
    name="ocpp.calls.v1",
    key="charger",
    kind=TopicKind.SHORT,
    writer=Service.PORTAL,
    readers=(Service.OCPP_BRIDGE,),
    retention=_SHORT,
    messages=(calls.CallCharger, calls.RotatePassword),
    about="OCPP calls that operators make, other than restarts. Each says until when it may be begun.",
)
OCPP_CALL_RESULTS = Topic(
    name="ocpp.call-results.v1",
    key="charger",
    kind=TopicKind.SHORT,
    writer=Service.OCPP_BRIDGE,
    readers=(Service.PORTAL,),
    retention=_SHORT,
    messages=(calls.CallAnswered, calls.CallFailed, calls.PasswordRotated),
    about="What came of operators' calls.",
    confidential=True,
)
OCPP_CREDENTIAL_CHANGES = Topic(
    name="ocpp.credential-changes.v1",
    key="charger",
    kind=TopicKind.RETAINED,
    writer=Service.OCPP_BRIDGE,
    readers=(Service.FLEET,),
    retention=_RETAINED,
    messages=(calls.PasswordAccepted,),
    about="Passwords that chargers accepted over OCPP. Verifiers only, and only fleet may read them.",
    confidential=True,
)

ALL = (
    AUTH_GROUPS,
    AUTH_MEMBERSHIPS,
    AUTH_SIGNING_KEYS,
    BILLING_PLANS,
    FLEET_CHARGERS,
    FLEET_CREDENTIALS,
    OCPP_CONNECTIVITY,
    OCPP_OBSERVATIONS,
    RESTART_REQUESTS,
    OCPP_COMMANDS,
    OCPP_ANSWERS,
    RESTART_ATTEMPTS,
    RESTART_DURATIONS,
    FLEET_RESTART_POLICIES,
    OCPP_CALLS,
    OCPP_CALL_RESULTS,
    OCPP_CREDENTIAL_CHANGES,
    OCPP_STRANGERS,
)
BY_NAME = {topic.name: topic for topic in ALL}
