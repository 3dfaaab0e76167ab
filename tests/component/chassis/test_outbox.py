"""What is to be published is written with what caused it."""

from uuid import uuid4

import pytest

from chassis.outbox import Outbox
from chassis.testing import FakeClock
from contracts import topics
from contracts.auth import GroupDefined, MembershipEnded
from contracts.envelope import Envelope


def said(data):
    return Envelope(id=uuid4(), source="/services/svc", time=FakeClock().now(), data=data, traceparent="00-a-b-01")


def group(name):
    return said(GroupDefined(group_id="g1", name=name))


@pytest.fixture
def woken():
    return []


@pytest.fixture
def outbox(woken):
    return Outbox("svc", wake=lambda: woken.append(1), leading=lambda: True)


async def test_messages_become_rows_in_their_order_as_they_will_be_published(database, outbox, rows):
    envelope = group("First")
    ended = said(MembershipEnded(group_id="g1", user_id="u1"))
    async with database.begin() as session:
        await outbox.add(session, topics.AUTH_GROUPS, [envelope, *(group(str(number)) for number in range(50))])
        await outbox.add(session, topics.AUTH_MEMBERSHIPS, [ended])
    found = await rows("select topic, key, value, headers from outbox order by id")
    assert [value for _, _, value, _ in found[:3]] == [
        b'{"group_id":"g1","name":"First"}',
        b'{"group_id":"g1","name":"0"}',
        b'{"group_id":"g1","name":"1"}',
    ]
    assert found[0][:2] == ("auth.groups.v1", b"g1")
    assert ["ce_id", str(envelope.id)] in found[0][3]
    assert ["traceparent", "00-a-b-01"] in found[0][3]
    assert found[-1][:3] == ("auth.memberships.v1", b"g1/u1", None)


async def test_a_transaction_that_is_rolled_back_leaves_no_row(roll_back, outbox, rows):
    await roll_back(lambda session: outbox.add(session, topics.AUTH_GROUPS, [group("Lost")]))
    assert await rows("select * from outbox") == []


async def test_the_relay_is_woken_after_the_commit_and_not_before(database, outbox, woken):
    async with database.begin() as session:
        await outbox.add(session, topics.AUTH_GROUPS, [group("A")])
        await outbox.add(session, topics.AUTH_GROUPS, [])
        assert woken == []
    assert woken


async def test_a_message_that_the_topic_does_not_carry_is_refused(database, outbox):
    async with database.begin() as session:
        with pytest.raises(ValueError, match=r"auth\.memberships\.v1 does not carry"):
            await outbox.add(session, topics.AUTH_MEMBERSHIPS, [group("A")])


async def test_a_message_that_would_block_the_relay_for_ever_is_refused(database, outbox, monkeypatch):
    monkeypatch.setattr("chassis.outbox.MAX_VALUE_BYTES", 20)
    async with database.begin() as session:
        with pytest.raises(ValueError, match="more than 20"):
            await outbox.add(session, topics.AUTH_GROUPS, [group("A")])


@pytest.fixture
def offered():
    return []


@pytest.fixture
def offering(woken, offered):
    def offer(rows, standing):
        offered.append(([row.id for row in rows], list(standing)))

    return Outbox("svc", wake=lambda: woken.append(1), leading=lambda: True, offer=offer)


async def test_rows_are_offered_to_the_relay_after_the_commit_with_what_stood_before_them(
    database, offering, offered, woken
):
    for _ in range(2):
        async with database.begin() as session:
            await offering.add(session, topics.AUTH_GROUPS, [group("A"), group("B")])
            assert len(offered) < 2
    assert offered == [([1, 2], []), ([3, 4], [1, 2])]
    assert woken == []


async def test_rows_of_a_transaction_that_is_rolled_back_are_not_offered(roll_back, offering, offered):
    await roll_back(lambda session: offering.add(session, topics.AUTH_GROUPS, [group("Lost")]))
    assert offered == []


async def test_rows_of_a_savepoint_are_left_to_be_read(database, offering, offered, woken):
    async with database.begin() as session:
        async with session.begin_nested():
            await offering.add(session, topics.AUTH_GROUPS, [group("A")])
        assert woken == []
    assert offered == []
    assert woken
