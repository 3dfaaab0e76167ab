"""How often an address may fail, and when it may begin its next TLS handshake."""

from ocpp_bridge.failures import Failures, Turns


def crowded(*addresses: str) -> Failures:
    """Ten failures are allowed to an address, and one more a minute; these have had theirs."""
    failures = Failures(wrong=1, wrong_every_s=600)
    for address in addresses:
        for _ in range(11):
            failures.failed(address, 0)
    return failures


def test_who_has_not_failed_too_often_begins_at_once():
    turns = Turns(crowded("a"), per_second=10, patience_s=1)
    assert [turns.wait("b", 0) for _ in range(100)] == [0.0] * 100


def test_a_crowded_address_begins_so_many_a_second_in_their_order():
    turns = Turns(crowded("a"), per_second=10, patience_s=1)
    waits = [turns.wait("a", 0) for _ in range(5)]
    assert [round(wait, 3) for wait in waits if wait is not None] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert turns.wait("a", 5) == 0.0


def test_nobody_waits_longer_than_the_patience_and_who_is_turned_away_takes_no_turn():
    turns = Turns(crowded("a"), per_second=10, patience_s=1)
    waits = [turns.wait("a", 0) for _ in range(1000)]
    assert waits.count(None) == 1000 - 11
    assert turns.wait("a", 0.2) is not None


def test_an_address_is_crowded_no_longer_once_its_failures_are_forgotten():
    turns = Turns(crowded("a"), per_second=1, patience_s=1)
    assert turns.wait("a", 0) == 0.0
    assert turns.wait("a", 0) == 1.0
    assert turns.wait("a", 61) == 0.0
    assert turns.wait("a", 61) == 0.0


def test_the_addresses_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr("ocpp_bridge.failures.ADDRESSES", 10)
    turns = Turns(crowded(*map(str, range(20))), per_second=1, patience_s=1)
    for address in range(20):
        turns.wait(str(address), 0)
    assert len(turns._next) == 10
