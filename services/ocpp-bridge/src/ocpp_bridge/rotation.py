"""Gives a charger a new password over OCPP (A01; 1.6 security extension, AuthorizationKey)."""

import hmac
import secrets
import string
from collections.abc import Container
from typing import Any
from uuid import UUID

import structlog
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from chassis.clock import Clock
from contracts.calls import PasswordRotated, RotatePassword
from ocpp_bridge.calling import Calling, NoResultError
from ocpp_bridge.credentials import Credentials
from ocpp_bridge.dialects import V16, Dialect
from ocpp_bridge.frames import CallError, CallResult, Json
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.password_changes import PasswordChange, PasswordChanges
from ocpp_bridge.profiles import WITH_PASSWORD
from ocpp_bridge.session import Session
from ocpp_bridge.store import UNAVAILABLE

log = structlog.stdlib.get_logger(__name__)

ALPHABET = string.ascii_letters + string.digits
"""Nothing that any charger's own syntax might stumble over."""
CHARACTERS = 32
"""Of a BasicAuthPassword, which may have 16 to 40; 190 random bits."""
KEY_BYTES = 20
"""Of an AuthorizationKey, which may have 16 to 20, sent as twice as many hexadecimal digits; 160 random bits."""

ACCEPTED, REBOOT_REQUIRED = "Accepted", "RebootRequired"
REFUSALS = frozenset({"Rejected", "NotSupported", "UnknownComponent", "UnknownVariable", "NotSupportedAttributeType"})
FAILURES = frozenset({"InternalError", "GenericError"})
"""Error codes of a charger that may have stored the new password before it failed."""
BOTH_COUNT = "the old password and the new one count until it connects with one of them"


class Rotation:
    """Changes passwords, one charger and one call at a time.

    Nothing here is ever sent twice: what the row of a change says after a crash is settled by the charger's next
    handshake (`password_changes`).

    Args:
        open_attempts: the chargers that are being restarted. A new password makes many of them connect anew, which
            would look like a part of the restart.
    """

    def __init__(
        self,
        *,
        calling: Calling,
        changes: PasswordChanges,
        credentials: Credentials,
        open_attempts: Container[str],
        clock: Clock,
        metrics: BridgeMetrics,
    ) -> None:
        self._calling = calling
        self._changes = changes
        self._credentials = credentials
        self._open_attempts = open_attempts
        self._clock = clock
        self._metrics = metrics

    async def rotate(self, asked: RotatePassword, session: Session) -> PasswordRotated:
        """Makes a password, sends it, and returns it sealed once fleet keeps it.

        Waits for the charger's turn by itself. Raises NoResultError: the password that the charger has then counts,
        or, where it did not answer, either may, until it connects with one.
        """
        seal = _Seal(asked.reply_key)
        async with self._calling.turn(session, asked):
            password = make_password(session.dialect)
            change = await self._stage(asked, password)
            await self._send(asked, session, change, password)
        sealed = seal.close(password)
        del password
        if not await self._changes.stored(change, within=self._left(asked)):
            self._metrics.rotations.labels("not_stored").inc()
            raise NoResultError(
                "not_stored",
                "the charger has taken the new password, which counts from now on; that it is kept was not confirmed "
                "in time, so it is not shown: change it once more to know it",
            )
        self._metrics.rotations.labels("rotated").inc()
        log.info("a charger has a new password", charger=asked.charger_id, by=asked.asked_by, call=str(asked.call_id))
        return PasswordRotated(charger_id=asked.charger_id, call_id=asked.call_id, sealed_password=sealed)

    def late(self, session: Session, frame: CallResult | CallError) -> None:
        """An answer that its session does not wait for: perhaps to a change that was given up, or of an earlier one."""
        try:
            change = self._changes.find(session.charger_id, UUID(frame.message_id))
        except ValueError:
            return
        if change is None or change.accepted:
            return
        if isinstance(frame, CallResult) and _status(frame) == ACCEPTED:
            self._changes.accept(change)
        elif _is_refusal(frame):
            self._changes.withdraw(change)

    async def _stage(self, asked: RotatePassword, password: str) -> PasswordChange:
        """Commits what is about to be sent. Raises NoResultError when nothing may be."""
        if asked.charger_id in self._open_attempts:
            raise NoResultError("attempt_open", "the charger is being restarted: a new password would disturb that")
        credential = self._credentials.of(asked.charger_id)
        if credential is None or credential.security_profile not in WITH_PASSWORD:
            raise NoResultError("not_allowed", "a charger has a password under security profiles 1 and 2 only")
        if any(change.accepted for change in self._changes.of(asked.charger_id)):
            raise NoResultError("not_allowed", "the charger's last new password is being stored: try again in a moment")
        salt = secrets.token_bytes(16)
        change = PasswordChange(
            call_id=asked.call_id,
            charger_id=asked.charger_id,
            salt=salt.hex(),
            verifier=hmac.digest(salt, password.encode(), "sha256").hex(),
            replaced=credential.verifier,
            replaces=credential.version,
            staged_at=self._clock.now(),
        )
        try:
            staged = await self._changes.stage(change)
        except UNAVAILABLE:
            raise NoResultError("expired", "the database is away: nothing was sent to the charger") from None
        if not staged:
            raise NoResultError("expired", "this call was begun before, and is never sent twice")
        return change

    async def _send(self, asked: RotatePassword, session: Session, change: PasswordChange, password: str) -> None:
        """Returns when the charger has taken it. Raises NoResultError."""
        action, payload = frame_of(session.dialect, password)
        try:
            answer = await self._calling.call(
                session, str(asked.call_id), action, payload, within=asked.answer_within_s
            )
        except NoResultError as error:
            self._metrics.rotations.labels(error.why).inc()
            failed = error.refusal is not None and not _is_refusal(error.refusal)
            if failed or error.why in {"timeout", "session_ended"}:
                raise NoResultError(error.why, f"{error.detail}: {BOTH_COUNT}", refusal=error.refusal) from None
            self._changes.withdraw(change)
            raise
        status = _status(answer)
        if status == ACCEPTED:
            self._changes.accept(change)
            return
        self._metrics.rotations.labels("refused_by_charger").inc()
        if status == REBOOT_REQUIRED:
            raise NoResultError(
                "refused_by_charger",
                "the charger answers RebootRequired: the old password counts until it connects with the new one, which "
                "is not shown; once it has restarted, change it once more to know it",
            )
        if not _is_refusal(answer):
            raise NoResultError("refused_by_charger", f"the charger's answer is none that OCPP knows: {BOTH_COUNT}")
        self._changes.withdraw(change)
        raise NoResultError("refused_by_charger", f"the charger answers {status}")

    def _left(self, asked: RotatePassword) -> float:
        """Seconds until the asker gives up."""
        return max(0.0, (asked.not_after - self._clock.now()).total_seconds() + asked.answer_within_s)


class _Seal:
    """The asker's public key. Raises NoResultError when it is none."""

    def __init__(self, reply_key: dict[str, str]) -> None:
        try:
            if reply_key.get("crv") != "P-256" or "d" in reply_key:
                raise ValueError("it must be a public key on the curve P-256")
            self._key = ECKey.import_key(dict(reply_key))
        except (JoseError, ValueError, KeyError) as error:
            raise NoResultError("invalid", f"the key to seal the new password to is none: {error}") from None

    def close(self, password: str) -> str:
        """A compact JWE (RFC 7516)."""
        return jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A256GCM"}, password.encode(), self._key)


def make_password(dialect: Dialect) -> str:
    """A new password; for 1.6 the hexadecimal form of random bytes."""
    if dialect is V16:
        return secrets.token_hex(KEY_BYTES)
    return "".join(secrets.choice(ALPHABET) for _ in range(CHARACTERS))


def frame_of(dialect: Dialect, password: str) -> tuple[str, Json]:
    """Action and payload that give a charger a password (A01.FR.02)."""
    if dialect is V16:
        return "ChangeConfiguration", {"key": "AuthorizationKey", "value": password}
    data = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
        "attributeValue": password,
    }
    return "SetVariables", {"setVariableData": [data]}


def _status(answer: CallResult) -> str | None:
    """What the charger made of it, in its own word; None when there is none."""
    results: Any = answer.payload.get("setVariableResult")
    if isinstance(results, list) and results and isinstance(results[0], dict):
        found = results[0].get("attributeStatus")
    else:
        found = answer.payload.get("status")
    return found if isinstance(found, str) else None


def _is_refusal(frame: CallResult | CallError) -> bool:
    """Whether the charger goes on with its old password for certain."""
    return frame.code not in FAILURES if isinstance(frame, CallError) else _status(frame) in REFUSALS
