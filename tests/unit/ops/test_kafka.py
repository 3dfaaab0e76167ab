"""The embedded broker's own little things."""

from uuid import UUID

from ops.embedded.kafka import cluster_id


def test_a_cluster_id_is_never_taken_for_an_option():
    drawn = iter([UUID(int=0xFB << 120), UUID(int=0x01 << 120)])
    assert cluster_id(lambda: next(drawn)) == "AQAAAAAAAAAAAAAAAAAAAA"
