"""OCPP calls that an operator makes through us, other than a restart, and what came of them; and new passwords.

A password never stands on a topic in clear: the bridge seals it to a key that only the asking process holds.
"""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.ocpp import AboutCharger
from contracts.words import Timestamp, UserId

CallFailure = Literal[
    "not_connected",
    "session_ended",
    "timeout",
    "expired",
    "call_error",
    "refused_by_charger",
    "not_allowed",
    "attempt_open",
    "too_soon_after_boot",
    "invalid",
    "not_stored",
]
"""Why there is no answer. `not_stored`: the charger took a new password, and it is not confirmed that it is kept."""


# --- ocpp.calls.v1 ----------------------------------------------------------------------------------------------------


class CallAsked(AboutCharger):
    """A call that somebody waits for. It is not begun after `not_after`, and given up `answer_within_s` after that."""

    call_id: UUID
    asked_by: UserId
    not_after: Timestamp
    answer_within_s: float = Field(default=30.0, gt=0, le=300)


class CallCharger(CallAsked):
    """Send the charger this CALL, which must be on the list of allowed ones."""

    wire_type: ClassVar[str] = "ocpp.call-charger.v1"

    action: str = Field(max_length=64)
    payload: dict[str, JsonValue] = Field(default_factory=dict)


class RotatePassword(CallAsked):
    """Give the charger a new password over OCPP (A01; 1.6 security extension, AuthorizationKey).

    `reply_key` is a public JWK (EC, P-256): the new password is sealed to it, as a compact JWE, in the answer.
    """

    wire_type: ClassVar[str] = "ocpp.rotate-password.v1"

    reply_key: dict[str, str]


# --- ocpp.call-results.v1 ---------------------------------------------------------------------------------------------


class CallEnded(AboutCharger):
    """What came of one call."""

    call_id: UUID


class CallAnswered(CallEnded):
    """The charger answered with a CALLRESULT."""

    wire_type: ClassVar[str] = "ocpp.call-answered.v1"

    answered_at: Timestamp
    payload: dict[str, JsonValue]


class CallFailed(CallEnded):
    """There is no CALLRESULT. `code` and `description` are the charger's own where it sent a CALLERROR."""

    wire_type: ClassVar[str] = "ocpp.call-failed.v1"

    why: CallFailure
    detail: str = ""
    code: str | None = None
    description: str | None = None


class PasswordRotated(CallEnded):
    """The charger accepted its new password, and it is stored. `sealed_password`: a compact JWE to the asker's key."""

    wire_type: ClassVar[str] = "ocpp.password-rotated.v1"

    sealed_password: str = Field(repr=False)


# --- ocpp.credential-changes.v1 ---------------------------------------------------------------------------------------


class PasswordAccepted(AboutCharger):
    """The charger accepted a new password over OCPP; fleet keeps its verifier from now on, and no other.

    `salt` and `verifier` are as in fleet.credential-set.v1; `replaces` is the version of the credential that it had.
    """

    wire_type: ClassVar[str] = "ocpp.password-accepted.v1"

    call_id: UUID
    salt: str = Field(repr=False)
    verifier: str = Field(repr=False)
    replaces: int = Field(ge=0, le=2**63 - 1)
    accepted_at: Timestamp
