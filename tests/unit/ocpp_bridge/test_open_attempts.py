"""The set of chargers that are being restarted, from the record of attempts."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from contracts.envelope import Envelope
from contracts.restart import TERMINAL, AttemptMoved, Status
from ocpp_bridge.open_attempts import OpenAttempts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def moved(attempt_id, status, charger_id="garage-1"):
    move = AttemptMoved(
        attempt_id=attempt_id,
        charger_id=charger_id,
        group_id="depot",
        version=1,
        status=status,
        moved_at=NOW,
        requested_by="somebody",
        requested_at=NOW,
        when="now",
        strength="auto",
    )
    return Envelope(id=uuid4(), source="/services/test", time=NOW, data=move)


@pytest.mark.parametrize("status", sorted(set(Status) - TERMINAL))
def test_an_attempt_is_open_in_every_state_that_is_not_terminal(status):
    attempts = OpenAttempts()
    attempts.apply(moved(uuid4(), status))
    assert "garage-1" in attempts
    assert "garage-2" not in attempts


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_terminal_state_ends_it_and_leaves_nothing_behind(status):
    attempts, attempt_id = OpenAttempts(), uuid4()
    attempts.apply(moved(attempt_id, Status.AWAITING_DROP))
    attempts.apply(moved(attempt_id, status))
    assert "garage-1" not in attempts
    assert len(attempts) == 0


def test_the_refusal_of_a_second_attempt_does_not_end_the_first():
    attempts = OpenAttempts()
    attempts.apply(moved(uuid4(), Status.AWAITING_DROP))
    attempts.apply(moved(uuid4(), Status.REFUSED))
    assert "garage-1" in attempts


def test_the_end_of_an_attempt_whose_beginning_was_not_read_is_nothing():
    attempts = OpenAttempts()
    attempts.apply(moved(uuid4(), Status.LOST))
    assert len(attempts) == 0
