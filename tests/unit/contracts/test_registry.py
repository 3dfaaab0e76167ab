"""Records that are not ours, not whole or not for us are told apart, in words."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from contracts import ocpp, topics
from contracts.auth import MembershipEnded
from contracts.envelope import Envelope, Position
from contracts.registry import Known, Record, Undecodable, Unknown, decode, encode

TOPIC = topics.OCPP_CONNECTIVITY
AT = datetime(2026, 3, 4, 10, 15, tzinfo=UTC)
ENVELOPE = Envelope(
    id=UUID("0195608f-1c2b-7e55-9f3a-5b6c7d8e9f01"),
    source="/services/ocpp-bridge",
    time=AT,
    data=ocpp.ChargerConnected(charger_id="CP-1", epoch=3, protocol="ocpp1.6", bridge="b", since=AT),
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)
GONE = Envelope(
    id=ENVELOPE.id, source="/services/auth", time=AT, data=MembershipEnded(group_id="harbour", user_id="lead")
)


@pytest.fixture
def record() -> Record:
    return encode(TOPIC, ENVELOPE)


def with_header(record: Record, name: str, content: bytes | None) -> tuple[tuple[str, bytes], ...]:
    kept = tuple(header for header in record.headers if header[0] != name)
    return kept if content is None else (*kept, (name, content))


def test_a_message_is_a_binary_mode_cloud_event(record: Record) -> None:
    assert record.key == b"CP-1"
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"0195608f-1c2b-7e55-9f3a-5b6c7d8e9f01",
        "ce_type": b"ocpp.charger-connected.v1",
        "ce_source": b"/services/ocpp-bridge",
        "ce_time": b"2026-03-04T10:15:00+00:00",
        "ce_subject": b"CP-1",
        "traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "content-type": b"application/json",
    }
    assert record.value is not None
    assert record.value.startswith(b'{"charger_id":"CP-1","epoch":3,')


def test_what_was_read_knows_where(record: Record) -> None:
    position = Position(TOPIC.name, 7, 42)
    decoded = decode(TOPIC, record.key, record.value, record.headers, position)
    assert isinstance(decoded, Known)
    assert decoded.envelope.position == position


def test_a_tombstone_has_no_body_and_no_content_type() -> None:
    record = encode(topics.AUTH_MEMBERSHIPS, GONE)
    assert record.value is None
    assert record.key == b"harbour/lead"
    assert "content-type" not in dict(record.headers)
    assert decode(topics.AUTH_MEMBERSHIPS, record.key, record.value, record.headers) == Known(GONE)


def test_a_message_of_another_topic_is_not_written() -> None:
    with pytest.raises(ValueError, match=r"fleet\.chargers\.v1 does not carry ocpp\.charger-connected\.v1"):
        encode(topics.FLEET_CHARGERS, ENVELOPE)


@pytest.mark.parametrize(
    "wire_type", ["ocpp.charger-connected.v2", "ocpp.charger-teleported.v1", "fleet.credential-set.v1"]
)
def test_an_unknown_version_or_message_is_unknown_whatever_its_body(record: Record, wire_type: str) -> None:
    headers = with_header(record, "ce_type", wire_type.encode())
    assert decode(TOPIC, b"any", b"\xff not even text", headers) == Unknown(wire_type)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("ce_specversion", b"0.3", "CloudEvents version '0.3', expected '1.0'"),
        ("ce_specversion", None, "CloudEvents version None, expected '1.0'"),
        ("ce_id", None, "not a CloudEvent: ce_id missing"),
        ("ce_type", None, "not a CloudEvent: ce_type missing"),
        ("ce_source", None, "not a CloudEvent: ce_source missing"),
        ("ce_time", None, "not a CloudEvent: ce_time missing"),
        ("ce_id", b"7", "ocpp.charger-connected.v1: badly formed hexadecimal UUID string"),
        ("ce_time", b"yesterday", "ocpp.charger-connected.v1: Invalid isoformat string: 'yesterday'"),
        ("ce_time", b"2026-03-04T10:15:00", "ocpp.charger-connected.v1: ce_time has no time zone"),
        ("ce_subject", b"\xff", "a header is not UTF-8 text"),
    ],
)
def test_a_wrong_attribute_is_undecodable(record: Record, name: str, content: bytes | None, words: str) -> None:
    headers = with_header(record, name, content)
    assert decode(TOPIC, record.key, record.value, headers) == Undecodable(words)


def test_a_record_without_headers_is_no_cloud_event(record: Record) -> None:
    assert decode(TOPIC, record.key, record.value, ()) == Undecodable(
        "not a CloudEvent: ce_id, ce_type, ce_source, ce_time missing"
    )


@pytest.mark.parametrize("key", [None, b"CP-2", b"", b"\xff"])
def test_a_key_that_is_not_the_subject_is_undecodable(record: Record, key: bytes | None) -> None:
    assert decode(TOPIC, key, record.value, record.headers) == Undecodable(
        f"ocpp.charger-connected.v1: the key {key!r} is not the subject 'CP-1'"
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "the body is missing"),
        (b"", "the body is not JSON"),
        (b'{"charger_id":', "the body is not JSON"),
        (b'{"epoch":NaN}', "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b"[]", "body: Input should be a valid dictionary"),
        (b'{"epoch":"three"}', "charger_id: Field required; epoch: Input should be a valid integer"),
        (b'{"charger_id":"a b"}', "charger_id: String should match pattern"),
    ],
)
def test_a_wrong_body_is_undecodable_and_says_which_field(record: Record, value: bytes | None, words: str) -> None:
    decoded = decode(TOPIC, record.key, value, record.headers)
    assert isinstance(decoded, Undecodable)
    assert decoded.why.startswith(f"ocpp.charger-connected.v1: {words}")


@pytest.mark.parametrize("key", [None, b"", b"harbour", b"harbour/", b"/lead", b"a/b/c", b"\xff/lead"])
def test_a_tombstone_with_a_wrong_key_is_undecodable(key: bytes | None) -> None:
    record = encode(topics.AUTH_MEMBERSHIPS, GONE)
    decoded = decode(topics.AUTH_MEMBERSHIPS, key, None, record.headers)
    assert isinstance(decoded, Undecodable)
    assert decoded.why.startswith("auth.membership-ended.v1: ")


def test_a_tombstone_with_a_body_is_undecodable() -> None:
    record = encode(topics.AUTH_MEMBERSHIPS, GONE)
    assert decode(topics.AUTH_MEMBERSHIPS, record.key, b"{}", record.headers) == Undecodable(
        "auth.membership-ended.v1: it ends its key and must have no body"
    )


def test_fields_and_headers_of_a_later_version_are_ignored(record: Record) -> None:
    assert record.value is not None
    value = record.value.removesuffix(b"}") + b',"colour":{"of":"the future"}}'
    headers = (*record.headers, ("ce_colour", b"blue"))
    assert decode(TOPIC, record.key, value, headers) == Known(ENVELOPE)
