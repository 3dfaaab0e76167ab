"""The live stream: what it tells to whom, in which order, how it resumes, and how it ends."""

import asyncio
from datetime import UTC, datetime, timedelta
from statistics import median
from unittest.mock import Mock
from uuid import uuid4

from sqlalchemy import text

from chassis.testing import eventually
from contracts.auth import MembershipEnded
from contracts.ocpp import ChargerDisconnected, ConnectorState
from contracts.restart import Confidence, Health, Outcome, Status, Verdict
from contracts.words import Plan
from portal import feed

RESTARTED = Verdict(outcome=Outcome.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)


async def test_a_change_reaches_an_open_stream_at_once(world):
    await world.seed()
    waits = []
    async with world.stream("administrator") as stream:
        loop = asyncio.get_running_loop()
        for state, shown in ((ConnectorState.FAULTED, "faulted"), (ConnectorState.AVAILABLE, "available")) * 4:
            await world.say(world.make.connector(state=state))
            committed = loop.time()
            told = await stream.next("charger")
            waits.append(loop.time() - committed)
            assert (told["charger_id"], told["state"]) == ("CP-1", shown)
            assert int(told["id"]) == told["v"] > stream.cursor
    # Of several: a loaded machine may be late now and then, one that has to be asked is late more often than not.
    assert median(waits) < 0.5, waits


async def test_an_attempt_is_told_move_by_move_and_ends_with_its_verdict(world):
    await world.seed()
    attempt = uuid4()
    async with world.stream("user") as stream:
        await world.say(world.make.moved(attempt, 1, Status.DISPATCHING))
        first, charger = await stream.next("attempt"), await stream.next("charger")
        await world.say(world.make.moved(attempt, 2, Status.RESTARTED, verdict=RESTARTED))
        second, verdict, free = [await stream.next("attempt", "verdict", "charger") for _ in range(3)]
    assert (first["v"], first["status"], first["verdict"]) == (1, "dispatching", None)
    assert (charger["state"], charger["restart"]["attempt_id"]) == ("restarting", str(attempt))
    assert (second["event"], second["v"]) == ("attempt", 2)
    assert (verdict["event"], verdict["verdict"]["confidence"]) == ("verdict", "high")
    assert (free["state"], free["restart"]["attempt_id"]) == ("available", None)


async def test_each_person_is_told_what_stands_in_their_own_way(world):
    await world.seed()
    async with world.stream("administrator") as theirs, world.stream("user") as mine:
        await world.say(world.make.connector())
        assert (await theirs.next("charger"))["restart"]["available"] is True
        blocked = (await mine.next("charger"))["restart"]["blocked_by"]
        assert [block["reason"] for block in blocked] == ["role"]


async def test_a_stream_carries_nothing_of_other_groups(world):
    await world.seed("CP-1", "depot")
    await world.say(world.make.charger("CP-9", "elsewhere"))
    async with world.stream("administrator") as stream:
        await world.say(world.make.connector("CP-9"), world.make.connector("CP-1"))
        assert (await stream.next("charger"))["charger_id"] == "CP-1"


async def test_a_stream_resumes_after_the_last_event_it_had_without_loss_or_repetition(world):
    await world.seed()
    attempt = uuid4()
    async with world.stream("administrator") as stream:
        await world.say(world.make.moved(attempt, 1, Status.DISPATCHING))
        last = (await stream.next("attempt"))["id"]
    for version in (2, 3, 4):
        await world.say(world.make.moved(attempt, version, Status.RESTARTING))
    async with world.stream("administrator", **{"last-event-id": last}) as stream:
        missed = [(await stream.next("attempt"))["v"] for _ in range(3)]
        await world.say(world.make.moved(attempt, 5, Status.CHECKING))
        assert [*missed, (await stream.next("attempt"))["v"]] == [2, 3, 4, 5]
    async with world.stream("administrator", f"/api/v1/events?after={last}") as stream:
        assert (await stream.next("attempt"))["v"] == 2


async def test_a_cursor_that_is_unknown_or_too_old_is_answered_with_reset_and_goes_on(world):
    await world.seed()
    for cursor in ("999999", "never-ours"):
        async with world.stream("administrator", **{"last-event-id": cursor}) as stream:
            assert (await stream.next())["why"] == "cursor_expired"
            await world.say(world.make.connector())
            assert (await stream.next("charger"))["charger_id"] == "CP-1"
    async with world.database.begin() as session:
        await session.execute(text("delete from feed where cursor < (select max(cursor) from feed)"))
    async with world.stream("administrator", **{"last-event-id": "1"}) as stream:
        assert (await stream.next())["why"] == "cursor_expired"


async def test_rights_are_those_of_the_moment_of_the_event(world):
    await world.seed()
    async with world.stream("user") as stream, world.stream("administrator") as other:
        await world.say(MembershipEnded(group_id="depot", user_id="user"))
        assert await stream.next("reset", "charger") == {
            "why": "rights_changed", "event": "reset", "id": str(stream.cursor + 1),
        }  # fmt: skip
        await world.say(world.make.connector())
        assert (await other.next("charger", "reset"))["event"] == "charger"
        assert (await stream.next())["event"] == "beat"


async def test_a_new_plan_tells_every_member_to_read_again(world):
    await world.seed()
    async with world.stream("user") as stream:
        await world.say(world.make.plan(to=Plan.BASIC, version=2))
        assert (await stream.next("reset"))["why"] == "rights_changed"


async def test_the_stream_of_one_attempt_begins_with_it_and_carries_no_other(world):
    await world.seed()
    mine, other = uuid4(), uuid4()
    await world.say(world.make.moved(other, 1, Status.CANCELLED), world.make.moved(mine, 1, Status.DISPATCHING))
    async with world.stream("administrator", f"/api/v1/restarts/{mine}/events") as stream:
        assert (await stream.next("attempt"))["v"] == 1
        await world.say(world.make.moved(other, 2, Status.CANCELLED), world.make.moved(mine, 2, Status.RESTARTING))
        told = await stream.next("attempt", "charger", "verdict")
        assert (told["attempt_id"], told["v"]) == (str(mine), 2)
    strangers = await world.http.get(f"/api/v1/restarts/{mine}/events", headers=world.bearer("stranger"))
    assert strangers.status_code == 404


async def test_an_attempt_that_was_just_accepted_can_be_followed_before_anyone_has_spoken_of_it(world):
    await world.seed()
    asked = await world.http.post("/api/v1/chargers/CP-1/restarts", headers=world.bearer("administrator"))
    path = f"/api/v1/restarts/{asked.json()['attempt_id']}/events"
    async with world.stream("administrator", path) as stream:
        assert (await stream.next("attempt"))["status"] == "requested"


async def test_a_reader_that_falls_behind_is_told_to_start_over(world):
    await world.seed()
    subscriber = world.context.hub.subscribe(person("administrator"))
    for number in range(world.context.settings.stream_queue + 5):
        await world.say(world.make.charger(f"CP-{number}"))  # news of one charger may be told as one

    def behind() -> None:
        queued = list(subscriber.queue._queue)
        assert queued
        assert "overflow" in queued[0].data

    await eventually(behind, within=60)
    world.context.hub.unsubscribe(subscriber)


async def test_where_nobody_listens_nothing_is_read_and_who_comes_then_misses_nothing(world, monkeypatch):
    await world.seed()
    hub = world.context.hub
    await eventually(world.all_is_handed_out)
    reading = Mock(side_effect=AssertionError("nobody listens"))
    with monkeypatch.context() as patch:
        patch.setattr(feed, "after", reading)
        before = hub.position
        await world.say(world.make.connector(state=ConnectorState.FAULTED))
        await eventually(world.all_is_handed_out)
        assert hub.position > before
    reading.assert_not_called()
    async with world.stream("administrator") as stream:
        await world.say(world.make.connector(state=ConnectorState.AVAILABLE))
        assert (await stream.next("charger"))["state"] == "available"


async def test_beats_are_events_and_carry_the_servers_time(world):
    await world.seed()
    async with world.stream("administrator") as stream:
        beat = await stream.next("beat")
        assert abs(datetime.fromisoformat(beat["server_time"]) - datetime.now(UTC)) < timedelta(seconds=5)
        assert beat["id"] is None


async def test_a_stream_ends_with_the_session_and_with_the_server(world):
    await world.seed()
    headers = world.bearer("administrator", lasts=timedelta(seconds=5))
    async with world.http.stream("GET", "/api/v1/events", headers=headers) as response:
        body = "".join([part async for part in response.aiter_text()]).replace("\r", "")
    assert 'event: bye\ndata: {"why":"session_ended"' in body
    async with world.stream("administrator") as stream:
        world.context.hub.close()
        assert (await stream.next("bye"))["why"] == "shutdown"
    await eventually(lambda: closed(world))


async def test_one_person_may_hold_only_so_many_streams(world):
    await world.seed()
    async with world.stream("user"), world.stream("user"), world.stream("user"):
        refused = await world.http.get("/api/v1/events", headers=world.bearer("user"))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        async with world.stream("administrator"):
            pass
    await eventually(lambda: closed(world))


async def test_streams_go_on_after_the_database_connection_was_lost(world):
    await world.seed()
    async with world.stream("administrator") as stream:
        async with world.database.begin() as session:
            await session.execute(
                text(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid() and query ilike 'listen%'"
                )
            )
        gone = ChargerDisconnected(charger_id="CP-1", epoch=1, bridge="b1", since=datetime.now(UTC), why="lost")
        await world.say(gone)
        assert (await stream.next("charger"))["state"] == "offline"


async def test_cursors_follow_the_order_of_commits(world):
    """Two transactions that append at the same time: the one that gets the smaller cursor is seen first."""
    await world.seed("CP-1")
    await world.say(*(world.make.charger(f"CP-{number}") for number in range(2, 12)))
    async with world.stream("administrator") as stream:
        await asyncio.gather(*(world.say(world.make.connector(f"CP-{number}")) for number in range(1, 12)))
        cursors = [int((await stream.next("charger"))["id"]) for _ in range(11)]
    assert cursors == sorted(cursors)


def closed(world) -> None:
    assert world.context.hub.streams == 0


def person(user_id):
    from chassis.tokens import Person

    return Person(user_id, user_id, operator=False, expires_at=datetime.now(UTC) + timedelta(hours=1))
