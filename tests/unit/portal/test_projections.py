"""Projecting, without a database: which rows each message means."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from contracts.auth import GroupDefined, MembershipEnded, MembershipGranted
from contracts.envelope import Envelope, Message
from contracts.fleet import ChargerRemoved
from contracts.ocpp import (
    ChargerBooted,
    ChargerConnected,
    ChargerDisconnected,
    SecurityEventReported,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.restart import AttemptMoved, DurationsLearned, Expected, Spread, Status, Strength, When
from contracts.topics import ALL, Service
from contracts.words import Role
from portal import projections
from portal.feed import Kind, Pointer, pointers
from portal.projections import PROJECTIONS
from portal.rows import Delete, Guard, Put

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def said(message: Message) -> Envelope[Message]:
    return Envelope(uuid4(), "/services/test", AT, message)


def moved(version: int = 1, status: Status = Status.REQUESTED) -> AttemptMoved:
    return AttemptMoved(
        attempt_id=UUID(int=7),
        charger_id="CP-1",
        group_id="depot",
        version=version,
        status=status,
        moved_at=AT,
        requested_by="kim",
        requested_at=AT,
        when=When.NOW,
        strength=Strength.AUTO,
    )


def test_every_topic_that_the_portal_reads_and_shows_is_projected_once():
    not_shown = {"auth.signing-keys.v1", "ocpp.call-results.v1", "fleet.restart-policies.v1"}
    read = [topic for topic in ALL if Service.PORTAL in topic.readers and topic.name not in not_shown]
    projected = [topic for projection in PROJECTIONS.values() for topic in projection.topics]
    assert sorted(topic.name for topic in projected) == sorted(topic.name for topic in read)


def test_a_membership_is_a_row_under_its_version_and_its_end_removes_it():
    granted = MembershipGranted(group_id="depot", user_id="kim", name="Kim", role=Role.OPERATOR, version=3)
    key = {"group_id": "depot", "user_id": "kim"}
    assert list(projections.project_memberships(said(granted))) == [
        Put("memberships", key, {"name": "Kim", "role": "operator", "version": 3}, Guard.VERSION)
    ]
    ended = MembershipEnded(group_id="depot", user_id="kim")
    assert list(projections.project_memberships(said(ended))) == [Delete("memberships", key)]


def test_the_end_of_a_session_wins_over_its_beginning_but_not_over_a_later_one():
    connected = ChargerConnected(charger_id="CP-1", epoch=4, protocol="ocpp1.6", bridge="b", since=AT)
    gone = ChargerDisconnected(charger_id="CP-1", epoch=4, bridge="b", since=AT, why="lost")
    [first], [second] = (list(projections.project_connectivity(said(each))) for each in (connected, gone))
    assert isinstance(first, Put)
    assert isinstance(second, Put)
    assert (first.guard, second.guard) == (Guard.LATER_SESSION, Guard.SAME_OR_LATER_SESSION)
    assert (first.values["online"], second.values["online"]) == (True, False)
    assert "protocol" not in second.values


def test_what_a_message_does_not_say_does_not_erase_what_an_earlier_one_said():
    ended = TransactionEnded(charger_id="CP-1", epoch=1, transaction_id="7")
    [change] = projections.project_observations(said(ended))
    assert isinstance(change, Put)
    assert set(change.values) == {"ended_at", "end_reason", "said_at"}


def test_a_transaction_starts_when_the_charger_says_so():
    started = TransactionStarted(charger_id="CP-1", epoch=1, transaction_id="7", reported_at=AT.replace(hour=9))
    [change] = projections.project_observations(said(started))
    assert isinstance(change, Put)
    assert change.values["started_at"] == AT.replace(hour=9)


def test_an_attempts_move_is_kept_whole_and_becomes_its_state():
    state, whole = projections.project_attempts(said(moved(2, Status.RESTARTED)))
    assert isinstance(state, Put)
    assert isinstance(whole, Put)
    assert (state.values["ended"], state.guard, whole.guard) == (True, Guard.VERSION, Guard.FIRST)
    assert AttemptMoved.model_validate(whole.values["move"]) == moved(2, Status.RESTARTED)


@pytest.mark.parametrize("name", [name for name in dir(projections) if name.startswith("project_")])
def test_a_projection_passes_over_messages_of_others(name):
    stranger = SecurityEventReported(charger_id="CP-1", epoch=1, kind="Other")
    assert list(getattr(projections, name)(said(stranger))) == []


def test_the_feed_points_at_each_thing_once_and_at_its_last_place():
    boot = ChargerBooted(charger_id="CP-1", epoch=1)
    update = TransactionUpdated(charger_id="CP-2", epoch=1, transaction_id="7")
    assert pointers([said(boot), said(update), said(boot)]) == [
        Pointer(Kind.CHARGER, charger_id="CP-2"),
        Pointer(Kind.CHARGER, charger_id="CP-1"),
    ]


def test_the_end_of_an_attempt_is_a_verdict_of_its_own_in_the_feed():
    kinds = [[pointer.kind for pointer in pointers([said(each)])] for each in (moved(), moved(2, Status.LOST))]
    assert kinds == [[Kind.ATTEMPT, Kind.CHARGER], [Kind.ATTEMPT, Kind.VERDICT, Kind.CHARGER]]


def test_a_renamed_group_and_a_removed_charger_are_told():
    assert pointers([said(GroupDefined(group_id="depot", name="Depot"))]) == []
    assert pointers([said(ChargerRemoved(charger_id="CP-1"))]) == [Pointer(Kind.CHARGER, charger_id="CP-1")]


def test_learned_durations_are_kept_by_model_and_firmware_the_latest_version_of_each():
    expected = Expected(samples=20, basis="model", away=Spread(p50_s=100, p95_s=180))
    for firmware, key in ((None, ""), ("1.2", "1.2")):
        learned = DurationsLearned(model="Terra", firmware=firmware, expected=expected, version=3)
        (change,) = projections.project_durations(said(learned))
        assert isinstance(change, Put)
        assert (change.key, change.guard) == ({"model": "Terra", "firmware": key}, Guard.VERSION)
        assert Expected.model_validate(change.values["expected"]) == expected
