"""An example for every call of the API; those of chargers and restarts are told of a made-up world like real ones."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.ocpp import ConnectorState
from contracts.restart import (
    AttemptMoved,
    Confidence,
    ConnectorCompared,
    Evidence,
    EvidenceKind,
    Expected,
    Health,
    Outcome,
    Spread,
    Status,
    Step,
    Strength,
    Verdict,
    When,
)
from contracts.words import Plan, Role
from portal.models import Attempts, Chargers, GroupOfMine, Me
from portal.present import attempt_line, details, line, story
from portal.security import RefusalRow
from portal.security_api import SecurityEvents, event
from portal.views import AttemptRow, ChargerRow, ConnectorRow, Leader
from portal.words import catalogue

_WORDS = catalogue()
_COMPARED = (
    ConnectorCompared(evse_id=1, connector_id=1, before=ConnectorState.FAULTED, since=ConnectorState.AVAILABLE),
)
_AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
_CHARGER, _GROUP, _PERSON = "CP-0042", "harbour", "alex"
_ATTEMPT = UUID("0b6f3c1e-8f0a-5d1b-9c55-1f0d3a7e2b10")
_EXPECTED = Expected(samples=124, basis="model", drop=Spread(p50_s=4, p95_s=9), away=Spread(p50_s=41, p95_s=75))


def _after(seconds: float) -> datetime:
    return _AT + timedelta(seconds=seconds)


def _evidence(number: int, kind: EvidenceKind, seconds: float, **params: str) -> Evidence:
    event_id = UUID(int=_ATTEMPT.int + number)
    return Evidence(kind=kind, event_id=event_id, at=_after(seconds), epoch=7 + (number > 3), params=params)  # noqa: PLR2004


def _moves() -> tuple[AttemptMoved, ...]:
    """A restart that went well, from its request to its verdict."""
    steps = {
        Step.REQUESTED: _AT,
        Step.SENT: _after(0.1),
        Step.ACCEPTED: _after(0.4),
        Step.GONE: _after(4),
        Step.BACK: _after(45),
        Step.HEALTHY: _after(48),
    }
    told = (
        (Status.DISPATCHING, 0.01, 1, ()),
        (
            Status.AWAITING_DROP,
            0.4,
            3,
            (_evidence(1, EvidenceKind.SENT, 0.1), _evidence(2, EvidenceKind.ACCEPTED, 0.4)),
        ),
        (Status.RESTARTING, 4, 4, (_evidence(3, EvidenceKind.DISCONNECTED, 4),)),
        (Status.CHECKING, 45, 5, (_evidence(4, EvidenceKind.BOOT, 45, reason="RemoteReset"),)),
        (Status.RESTARTED, 108, 6, ()),
    )
    verdict = Verdict(
        outcome=Outcome.RESTARTED,
        confidence=Confidence.PROVEN,
        health=Health.OK,
        params={"said": "RemoteReset", "away_s": "41"},
    )
    return tuple(
        AttemptMoved(
            attempt_id=_ATTEMPT,
            charger_id=_CHARGER,
            group_id=_GROUP,
            version=version,
            status=status,
            moved_at=_after(seconds),
            requested_by=_PERSON,
            requested_at=_AT,
            when=When.NOW,
            strength=Strength.AUTO,
            note="The screen is frozen",
            model="Terra AC",
            epoch=7,
            steps=dict(list(steps.items())[:reached]),
            new_evidence=evidence,
            verdict=verdict if status is Status.RESTARTED else None,
            connectors=_COMPARED if status is Status.RESTARTED else (),
            expected=_EXPECTED,
        )
        for version, (status, seconds, reached, evidence) in enumerate(told, 1)
    )


_STORY = AttemptRow(_moves(), _GROUP, "Harbour", "Alex")
_ROW = ChargerRow(
    charger_id=_CHARGER,
    group_id=_GROUP,
    group_name="Harbour",
    label="Quay 4, left",
    site="Harbour, north quay",
    vendor="ABB",
    model="Terra AC",
    abilities=frozenset({"remote_restart"}),
    plan=Plan.BUSINESS.value,
    features=frozenset({"remote_restart"}),
    online=True,
    protocol="ocpp2.0.1",
    since=_after(44),
    firmware="1.8.21",
    serial="TACW2240123",
    boot_reason="RemoteReset",
    booted_at=_after(45),
    updating_until=None,
    updating_since=None,
    connectors=(ConnectorRow(1, 1, "available", "Available", None, None, _after(48)),),
    transactions=(),
    open_attempt_id=None,
    last_attempt_id=_ATTEMPT,
    leaders=(Leader("Alex", Role.SUPER_ADMINISTRATOR),),
    expected=_EXPECTED,
)


_REFUSED = RefusalRow("wrong_password", "", "request", "192.0.2.7", 12, _after(-3600), _after(-20))


def _json(shown: Any) -> Any:
    return shown.model_dump(mode="json")


def _charger() -> Any:
    return details(_ROW, Role.ADMINISTRATOR, {_ATTEMPT: _STORY}, _WORDS, v=88412)


def _told(moves: int) -> Any:
    return story(AttemptRow(_moves()[:moves], _GROUP, "Harbour", "Alex"), _WORDS)


_ONE = {"charger_id": _CHARGER}
_OF_GROUP = {"group_id": _GROUP}
_REGISTERED: Mapping[str, Any] = {
    "charger_id": _CHARGER,
    "group_id": _GROUP,
    "label": "Quay 4, left",
    "site": "Harbour, north quay",
    "vendor": "ABB",
    "model": "Terra AC",
    "abilities": ["remote_restart"],
    "security_profile": 1,
    "registration": "accepted",
    "connectivity": {"online": True, "since": "2026-01-15T09:30:44Z", "epoch": 8, "protocol": "ocpp2.0.1"},
}
_WANTED = {name: _REGISTERED[name] for name in ("group_id", "label", "site", "vendor", "model", "security_profile")}
_PLAN = {"group_id": _GROUP, "plan": "standard", "features": ["remote_restart"]}
_MEMBER = {"group_id": _GROUP, "user_id": "sam", "name": "Sam", "role": "administrator"}
_STREAM = (
    'retry: 2000\n\nevent: hello\ndata: {"cursor":"88412","server_time":"2026-01-15T09:30:00.000Z","beat_s":10}\n\n'
    'event: beat\ndata: {"server_time":"2026-01-15T09:30:10.000Z"}\n\n'
)


def _examples() -> dict[str, dict[str, Any]]:
    policy = {"group_id": _GROUP, "escalation": "soft_then_hard", "escalations_per_day": 2}
    charger, whole = _json(_charger()), _json(_told(5))
    group = GroupOfMine(
        group_id=_GROUP, name="Harbour", role=Role.ADMINISTRATOR, plan="business", features=["remote_restart"]
    )
    me = Me(user_id=_PERSON, name="Alex", operator=False, expires_at=_after(3600), groups=[group])
    lines = Chargers(items=[line(_ROW, Role.ADMINISTRATOR, {_ATTEMPT: _STORY}, _WORDS, v=88412)], total=1, next=None)
    restarts = Attempts(items=[attempt_line(_STORY, "Quay 4, left", _WORDS)], next=None)
    attempt = {"attempt_id": str(_ATTEMPT)}
    return {
        "get_me": {"answer": _json(me)},
        "list_chargers": {"parameters": {"q": "quay", "state": ["faulted", "lost"]}, "answer": _json(lines)},
        "get_charger": {"parameters": _ONE, "answer": charger},
        "request_restart": {
            "parameters": {**_ONE, "Idempotency-Key": "2d1f6a0c-restart-of-quay-4"},
            "body": {"when": "now", "type": "auto", "note": "The screen is frozen"},
            "answer": _json(_told(1)),
        },
        "list_restarts": {
            "parameters": {**_ONE, "state": "ended", "verdict": ["restarted"]},
            "answer": _json(restarts),
        },
        "get_restart": {"parameters": attempt, "answer": whole},
        "cancel_restart": {"parameters": attempt, "answer": _json(_told(1))},
        "get_events": {"parameters": {"after": 88412}, "answer": _STREAM},
        "get_restart_events": {"parameters": attempt, "answer": _STREAM},
        "list_security_events": {
            "parameters": _ONE,
            "answer": _json(SecurityEvents(charger_id=_CHARGER, items=[event(_REFUSED, _WORDS)])),
        },
        "list_strangers": {
            "answer": {
                "items": [
                    {
                        "why": "wrong_certificate",
                        "cause": "strange_authority",
                        "address": "203.0.113.9",
                        "claimed_name": "test-charger",
                        "count": 3,
                        "first_at": "2026-01-15T09:12:00Z",
                        "last_at": "2026-01-15T09:29:40Z",
                        "detail": "Certificate of an unknown authority, from 203.0.113.9; the certificate claims the "
                        "name test-charger",
                    }
                ]
            }
        },
        "post_ocpp_call": {
            "parameters": _ONE,
            "body": {"action": "TriggerMessage", "payload": {"requestedMessage": "Heartbeat"}},
            "answer": {
                "call_id": str(_ATTEMPT),
                "charger_id": _CHARGER,
                "action": "TriggerMessage",
                "answered_at": "2026-01-15T09:30:00.250Z",
                "payload": {"status": "Accepted"},
            },
        },
        "sign_in": {
            "body": {"username": _PERSON, "password": "the password of Alex"},
            "answer": {
                "access_token": "eyJhbGciOiJFUzI1NiIs…",
                "token_type": "Bearer",
                "expires_at": "2026-01-15T10:30:00Z",
                "user_id": _PERSON,
                "name": "Alex",
                "language": "es",
            },
        },
        "choose_language": {"body": {"language": "es"}},
        "list_groups": {"answer": {"items": [{"group_id": _GROUP, "name": "Harbour"}], "next": None}},
        "define_group": {
            "parameters": _OF_GROUP,
            "body": {"name": "Harbour"},
            "answer": {"group_id": _GROUP, "name": "Harbour"},
        },
        "list_users": {"answer": {"items": [{"user_id": "sam", "name": "Sam", "operator": False}], "next": None}},
        "add_user": {
            "body": {"user_id": "sam", "name": "Sam"},
            "answer": {"user_id": "sam", "name": "Sam", "password": "VbH3-shown-this-once"},
        },
        "list_members": {"parameters": _OF_GROUP, "answer": {"items": [_MEMBER]}},
        "grant_role": {
            "parameters": {**_OF_GROUP, "user_id": "sam"},
            "body": {"role": "administrator"},
            "answer": _MEMBER,
        },
        "end_membership": {"parameters": {**_OF_GROUP, "user_id": "sam"}},
        "list_plans": {
            "answer": {"items": [{"plan": "standard", "title": "Standard", "features": ["remote_restart"]}]}
        },
        "get_plan": {"parameters": _OF_GROUP, "answer": _PLAN},
        "set_plan": {"parameters": _OF_GROUP, "body": {"plan": "standard"}, "answer": _PLAN},
        "list_models": {"answer": {"items": [{"vendor": "ABB", "name": "Terra AC", "abilities": ["remote_restart"]}]}},
        "list_registered_chargers": {"parameters": _OF_GROUP, "answer": {"items": [_REGISTERED], "next": None}},
        "get_registered_charger": {"parameters": _ONE, "answer": _REGISTERED},
        "get_restart_policy": {"parameters": _OF_GROUP, "answer": policy},
        "set_restart_policy": {
            "parameters": _OF_GROUP,
            "body": {"escalation": "soft_then_hard", "escalations_per_day": 2},
            "answer": policy,
        },
        "import_chargers": {
            "body": {"chargers": [{**_WANTED, "charger_id": _CHARGER, "generate_password": True}]},
            "answer": {
                "results": [
                    {"row": 1, "charger_id": _CHARGER, "status": "created", "password": "m0de-for-it-and-shown-once"}
                ]
            },
        },
        "register_charger": {
            "parameters": _ONE,
            "body": {**_WANTED, "generate_password": True},
            "answer": {**_REGISTERED, "password": "m0de-for-it-and-shown-once"},
        },
        "remove_charger": {"parameters": _ONE},
        "make_new_password": {
            "parameters": _ONE,
            "body": {"via": "ocpp"},
            "answer": {"charger_id": _CHARGER, "password": "m0de-for-it-and-shown-once"},
        },
        "set_registration": {"parameters": _ONE, "body": {"registration": "pending"}, "answer": _REGISTERED},
    }


EXAMPLES: Mapping[str, Mapping[str, Any]] = _examples()
