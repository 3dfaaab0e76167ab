"""What fleet says: which chargers there are, what they can do, and how each proves who it is."""

from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import Field

from contracts.envelope import Message, Tombstone
from contracts.words import ChargerId, Counter, GroupId, Label

SecurityProfile = Literal[0, 1, 2, 3]
"""OCPP security profile; 0 is no check at all, common on 1.6 though not in the standard."""


class Registration(StrEnum):
    """What the charger's next BootNotification is answered."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    REJECTED = "rejected"


class ChargerRegistered(Message):
    """A charger belongs to this group, and this is what it is. `version` grows with each change of the same charger."""

    wire_type: ClassVar[str] = "fleet.charger-registered.v1"

    charger_id: ChargerId
    group_id: GroupId
    label: Label
    site: Label | None = None
    vendor: Label | None = None
    model: Label
    abilities: frozenset[str]
    version: Counter

    def key(self) -> str:
        return self.charger_id


class ChargerRemoved(Tombstone):
    """The charger is no longer one of ours."""

    wire_type: ClassVar[str] = "fleet.charger-removed.v1"

    charger_id: ChargerId

    def key(self) -> str:
        return self.charger_id

    @classmethod
    def from_key(cls, key: str) -> Self:
        return cls(charger_id=key)


class CredentialSet(Message):
    """How the charger proves who it is, and how its next boot is answered. Only the bridge may read it.

    The verifier is HMAC-SHA-256 of the password under `salt`, both in hex; it is fast because the password has at
    least 128 random bits. None for profiles 0 and 3, which have no password.
    """

    wire_type: ClassVar[str] = "fleet.credential-set.v1"

    charger_id: ChargerId
    security_profile: SecurityProfile
    salt: str | None = Field(default=None, repr=False)
    verifier: str | None = Field(default=None, repr=False)
    registration: Registration = Registration.ACCEPTED
    version: Counter

    def key(self) -> str:
        return self.charger_id


class CredentialRevoked(Tombstone):
    """The charger may no longer connect."""

    wire_type: ClassVar[str] = "fleet.credential-revoked.v1"

    charger_id: ChargerId

    def key(self) -> str:
        return self.charger_id

    @classmethod
    def from_key(cls, key: str) -> Self:
        return cls(charger_id=key)


class Escalation(StrEnum):
    """What may follow when a soft restart brought nothing."""

    OFF = "off"
    SOFT_THEN_HARD = "soft_then_hard"


class RestartPolicySet(Message):
    """What a group allows. A group without this message allows no escalation.

    Attributes:
        escalations_per_day: of one charger, in any 24 hours.
        version: grows with each change of the same group.
    """

    wire_type: ClassVar[str] = "fleet.restart-policy-set.v1"

    group_id: GroupId
    escalation: Escalation = Escalation.OFF
    escalations_per_day: int = Field(default=2, ge=1, le=24)
    version: Counter

    def key(self) -> str:
        return self.group_id
