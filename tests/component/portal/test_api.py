"""The HTTP API, on a real database: what a member sees, asks for, and takes back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.auth import MembershipEnded
from contracts.fleet import ChargerRemoved
from contracts.ocpp import ChargerDisconnected, FirmwareStatusReported, TransactionEnded, TransactionStarted
from contracts.restart import (
    CancelRestart,
    Confidence,
    Evidence,
    EvidenceKind,
    Health,
    Outcome,
    RequestRestart,
    Status,
    Step,
    Verdict,
)
from contracts.words import Plan, Role


async def get(world: Any, path: str, user: str = "administrator") -> Any:
    return await world.http.get(f"/api/v1{path}", headers=world.bearer(user))


async def restart(world: Any, user: str = "administrator", charger: str = "CP-1", key: str | None = None, **body: Any):
    headers = world.bearer(user) | ({"idempotency-key": key} if key else {})
    return await world.http.post(f"/api/v1/chargers/{charger}/restarts", headers=headers, json=body)


def reasons(shown: dict[str, Any]) -> list[str]:
    return [block["reason"] for block in shown["restart"]["blocked_by"]]


async def test_an_administrator_sees_a_charger_that_can_be_restarted(world):
    await world.seed()
    shown = (await get(world, "/chargers/CP-1")).json()
    assert shown["state"] == "available"
    assert shown["restart"]["available"] is True
    assert shown["restart"]["blocked_by"] == []
    assert shown["restart"]["possible"] == ["now", "idle", "online"]
    assert shown["group"] == {"group_id": "depot", "name": "Depot"}
    assert shown["connectors"][0]["name"] == "1"


async def test_everything_that_blocks_is_named_with_its_sentence_and_who_lifts_it(world):
    await world.seed(model="Pulsar", abilities=frozenset())
    started = TransactionStarted(
        charger_id="CP-1", epoch=1, transaction_id="7", evse_id=1, connector_id=1, meter_wh=1000.0
    )
    await world.say(
        world.make.plan(to=Plan.BASIC, version=2),
        started,
        FirmwareStatusReported(charger_id="CP-1", epoch=1, status="Installing", updating=True),
        world.make.moved(uuid4(), 1, Status.DISPATCHING),
        ChargerDisconnected(charger_id="CP-1", epoch=1, bridge="b1", since=datetime.now(UTC), why="lost"),
    )
    shown = (await get(world, "/chargers/CP-1", "operator")).json()
    assert reasons(shown) == [
        "role", "plan", "model", "offline", "charging", "updating_firmware", "already_restarting",
    ]  # fmt: skip
    blocks = {block["reason"]: block for block in shown["restart"]["blocked_by"]}
    assert blocks["role"]["detail"].startswith("Only a super-administrator or administrator of Depot can restart it;")
    assert blocks["plan"]["lifted_by"] == "super_administrator"
    assert "Depot has the Basic plan" in blocks["plan"]["detail"]
    assert blocks["model"]["detail"] == "Pulsar can't be restarted remotely, only on site."
    assert blocks["charging"]["detail"].startswith("Charging on connector 1 since 20")
    assert shown["restart"]["available"] is False
    assert shown["restart"]["possible"] == []


async def test_a_charging_charger_can_be_restarted_by_interrupting_it_or_when_it_is_free(world):
    await world.seed()
    await world.say(TransactionStarted(charger_id="CP-1", epoch=1, transaction_id="7", evse_id=1, meter_wh=1000.0))
    shown = (await get(world, "/chargers/CP-1")).json()
    assert (shown["state"], reasons(shown)) == ("charging", ["charging"])
    assert shown["restart"]["possible"] == ["now_interrupting_charging", "idle", "online"]
    assert shown["restart"]["interrupts"][0]["transaction_id"] == "7"
    await world.say(TransactionEnded(charger_id="CP-1", epoch=1, transaction_id="7"))
    assert (await get(world, "/chargers/CP-1")).json()["restart"]["available"] is True


async def test_the_list_holds_only_chargers_of_ones_own_groups(world):
    await world.seed("CP-1", "depot")
    await world.seed("CP-2", "hotel")
    await world.say(MembershipEnded(group_id="hotel", user_id="user"))
    shown = (await get(world, "/chargers", "user")).json()
    assert [line["charger_id"] for line in shown["items"]] == ["CP-1"]
    assert (await get(world, "/chargers/CP-2", "user")).status_code == 404
    assert (await get(world, "/chargers/CP-2", "administrator")).status_code == 200


async def test_the_list_is_searched_and_paged(world):
    await world.seed("CP-1")
    for number in range(2, 6):
        await world.say(world.make.charger(f"CP-{number}", site="Harbour" if number % 2 else None))
    first = (await get(world, "/chargers?limit=3")).json()
    rest = (await get(world, f"/chargers?limit=3&after={first['next']}")).json()
    ids = [line["charger_id"] for line in first["items"] + rest["items"]]
    assert ids == [f"CP-{number}" for number in range(1, 6)]
    assert (first["total"], rest["next"]) == (5, None)
    found = (await get(world, "/chargers?q=hARB")).json()
    assert [line["charger_id"] for line in found["items"]] == ["CP-3", "CP-5"]
    assert (await get(world, "/chargers?q=100%25")).json()["items"] == []


async def test_a_charger_that_does_not_exist_and_one_of_others_answer_alike(world):
    await world.seed()
    await world.say(world.make.charger("CP-9", "elsewhere"))
    unknown, foreign = await get(world, "/chargers/CP-404"), await get(world, "/chargers/CP-9")
    assert unknown.status_code == foreign.status_code == 404
    assert unknown.json()["detail"] == foreign.json()["detail"]
    asked = [await restart(world, charger=each) for each in ("CP-404", "CP-9")]
    assert [answer.status_code for answer in asked] == [404, 404]
    assert world.publisher.published == []


async def test_me_names_groups_roles_and_plans(world):
    await world.seed()
    me = (await get(world, "/me", "super_administrator")).json()
    assert me["groups"] == [
        {
            "group_id": "depot",
            "name": "Depot",
            "role": "super_administrator",
            "plan": "business",
            "features": ["remote_restart"],
        }
    ]


async def test_asking_for_a_restart_publishes_one_request_and_answers_with_the_attempt(world):
    await world.seed()
    answer = await restart(world, key="k1", note="screen is frozen", when="idle", expires_in=600)
    assert answer.status_code == 202
    attempt = answer.json()
    assert answer.headers["location"] == f"/api/v1/restarts/{attempt['attempt_id']}"
    assert (attempt["status"], attempt["already_restarting"]) == ("requested", False)
    [request] = world.publisher.messages
    assert isinstance(request, RequestRestart)
    assert str(request.attempt_id) == attempt["attempt_id"]
    assert (request.requested_by, request.note, request.when) == ("administrator", "screen is frozen", "idle")
    assert request.expires_at - request.requested_at == timedelta(seconds=600)


async def test_only_who_may_ask_for_it_is_offered_to_wait_for_a_charger(world):
    await world.seed()
    await world.say(ChargerDisconnected(charger_id="CP-1", epoch=1, bridge="b", since=datetime.now(UTC), why="lost"))

    async def told(user: str) -> str:
        blocks = (await get(world, "/chargers/CP-1", user)).json()["restart"]["blocked_by"]
        return next(block["detail"] for block in blocks if block["reason"] == "offline")

    assert "you can ask for a restart when it is back" in await told("administrator")
    assert (await told("user")).endswith("It must be online.")


async def test_an_attempt_that_was_just_accepted_can_be_read_before_anyone_has_spoken_of_it(world):
    await world.seed()
    attempt = (await restart(world)).json()
    shown = await get(world, f"/restarts/{attempt['attempt_id']}")
    assert (shown.status_code, shown.json()["status"]) == (200, "requested")
    assert [step["mark"] for step in shown.json()["timeline"]][:2] == ["done", "current"]
    assert (await get(world, f"/restarts/{attempt['attempt_id']}", "stranger")).status_code == 404
    await world.say(world.make.moved(UUID(attempt["attempt_id"]), 1, Status.DISPATCHING))
    assert (await get(world, f"/restarts/{attempt['attempt_id']}")).json()["status"] == "dispatching"


async def test_the_same_key_is_the_same_attempt_and_another_persons_is_not(world):
    await world.seed()
    first, again = (await restart(world, key="k")).json(), (await restart(world, key="k")).json()
    other = (await restart(world, "super_administrator", key="k")).json()
    assert first["attempt_id"] == again["attempt_id"] != other["attempt_id"]
    ids = [envelope.id for _, envelope in world.publisher.published]
    assert ids[0] == ids[1] != ids[2]


async def test_a_key_that_was_used_for_another_request_is_refused_and_names_the_header(world):
    await world.seed()
    first = (await restart(world, key="k", note="frozen")).json()
    for body in ({}, {"note": "frozen", "type": "hard"}):
        answer = await restart(world, key="k", **body)
        assert answer.status_code == 422
        problem = answer.json()
        assert problem["title"] == "Idempotency-Key is already used"
        assert problem["attempt_id"] == first["attempt_id"]
        assert problem["errors"][0]["field"] == "header.Idempotency-Key"
    assert (await restart(world, key="k", note="frozen", when="now")).json()["attempt_id"] == first["attempt_id"]
    assert {message.attempt_id for message in world.publisher.messages} == {UUID(first["attempt_id"])}

    await world.say(world.make.moved(UUID(first["attempt_id"]), 1, Status.CANCELLED))
    assert (await restart(world, key="k")).status_code == 422, "also when the attempt is over"
    assert (await restart(world, key="k", note="frozen")).json()["status"] == "cancelled"
    assert (await restart(world, "super_administrator", key="k")).status_code == 202, "a key is one person's"


async def test_of_two_requests_at_once_with_one_key_and_different_bodies_one_is_passed_on(world):
    await world.seed()
    for number in range(20):
        world.publisher.published.clear()
        pair = [{"note": "one"}, {"note": "two"}]
        answers = await asyncio.gather(*(restart(world, key=f"k{number}", **body) for body in pair))
        assert sorted(answer.status_code for answer in answers) == [202, 422]
        (request,) = world.publisher.messages
        accepted = next(answer.json() for answer in answers if answer.status_code == 202)
        assert (str(request.attempt_id), request.note) == (accepted["attempt_id"], accepted["note"])


async def test_while_an_attempt_is_open_another_request_answers_with_it_and_publishes_nothing(world):
    await world.seed()
    open_attempt = uuid4()
    await world.say(world.make.moved(open_attempt, 1, Status.RESTARTING))
    answer = await restart(world, "super_administrator", key="mine")
    assert answer.status_code == 202
    assert answer.json()["attempt_id"] == str(open_attempt)
    assert answer.json()["already_restarting"] is True
    assert world.publisher.published == []


async def test_a_request_of_a_member_without_the_right_is_passed_on_for_the_orchestrator_to_refuse(world):
    await world.seed()
    assert (await restart(world, "user")).status_code == 202
    assert world.publisher.messages[0].requested_by == "user"


async def test_when_kafka_is_away_the_answer_says_how_to_try_again(world):
    await world.seed()
    world.publisher.down = True
    answer = await restart(world, key="k")
    assert answer.status_code == 503
    problem = answer.json()
    assert "same Idempotency-Key" in problem["detail"]
    assert (await get(world, f"/restarts/{problem['attempt_id']}")).status_code == 404
    world.publisher.down = False
    assert (await restart(world, key="k")).json()["attempt_id"] == problem["attempt_id"]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"when": "now"', "body"),
        (b'{"when": "tomorrow"}', "body.when"),
        (b'{"evse_id": 0}', "body.evse_id"),
        (b'{"wen": "now"}', "body.wen"),
        (b'{"expires_in": "soon"}', "body.expires_in"),
        (b"[]", "body"),
        (b'{"note": "\\u0000"}', "body.note"),
    ],
)
async def test_a_body_that_is_not_understood_names_the_field(world, content, field):
    await world.seed()
    headers = world.bearer("administrator") | {"content-type": "application/json"}
    answer = await world.http.post("/api/v1/chargers/CP-1/restarts", headers=headers, content=content)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert any(error["field"].startswith(field) for error in answer.json()["errors"])
    assert world.publisher.published == []


async def test_a_bad_charger_id_attempt_id_or_key_is_refused(world):
    await world.seed()
    assert (await get(world, "/chargers/" + "x" * 49)).status_code == 422
    assert (await get(world, "/restarts/not-a-uuid")).status_code == 422
    assert (await restart(world, key="x" * 256)).status_code == 422
    assert (await get(world, "/chargers?q=%00")).status_code == 422
    assert (await get(world, "/chargers/%00")).status_code == 422


async def test_without_a_token_and_with_an_expired_or_forged_one_the_answer_is_401(world):
    await world.seed()
    assert (await world.http.get("/api/v1/chargers")).status_code == 401
    expired = await world.http.get("/api/v1/chargers", headers=world.bearer("user", lasts=timedelta(seconds=-1)))
    assert (expired.status_code, expired.json()["title"]) == (401, "Not signed in")
    assert "expired" in expired.json()["detail"]
    forged = await world.http.get("/api/v1/chargers", headers={"authorization": "Bearer x.y.z"})
    assert forged.status_code == 401


async def test_the_story_of_an_attempt_is_told_with_timeline_evidence_and_verdict(world):
    await world.seed()
    attempt, start = uuid4(), datetime.now(UTC)
    boot = Evidence(kind=EvidenceKind.BOOT, event_id=uuid4(), at=start, epoch=2, params={"reason": "RemoteReset"})
    steps = {Step.REQUESTED: start, Step.SENT: start + timedelta(milliseconds=9)}
    await world.say(
        world.make.moved(attempt, 1, Status.DISPATCHING, requested_at=start, steps=steps),
        world.make.moved(
            attempt,
            2,
            Status.RESTARTED,
            requested_at=start,
            steps=steps
            | {
                Step.ACCEPTED: start + timedelta(milliseconds=40),
                Step.GONE: start + timedelta(seconds=2),
                Step.BACK: start + timedelta(seconds=72),
                Step.HEALTHY: start + timedelta(seconds=132),
            },
            new_evidence=(boot,),
            verdict=Verdict(
                outcome=Outcome.RESTARTED,
                confidence=Confidence.PROVEN,
                health=Health.OK,
                params={"said": "RemoteReset", "away_s": "70"},
            ),
        ),
    )
    told = (await get(world, f"/restarts/{attempt}")).json()
    assert [(step["step"], step["mark"]) for step in told["timeline"]] == [
        (step, "done") for step in ("requested", "sent", "accepted", "gone", "back", "healthy")
    ]
    assert told["timeline"][1]["elapsed_ms"] == 9
    assert told["verdict"]["sentence"] == (
        "It restarted. The charger says so itself (RemoteReset). Away for 1 min 10 s."
    )
    assert told["evidence"][0]["detail"] == "The charger booted, giving the reason RemoteReset."
    shown = (await get(world, "/chargers/CP-1")).json()
    assert (shown["open_attempt"], shown["last_attempt"]["attempt_id"]) == (None, str(attempt))
    assert shown["restart"]["available"] is True


async def test_a_request_is_taken_back_while_nothing_was_sent_and_not_later(world):
    await world.seed()
    attempt = uuid4()
    await world.say(world.make.moved(attempt, 1, Status.QUEUED))
    url = f"/api/v1/restarts/{attempt}"
    assert (await world.http.delete(url, headers=world.bearer("user"))).status_code == 403
    assert (await world.http.delete(url, headers=world.bearer("stranger"))).status_code == 404
    assert (await world.http.delete(url, headers=world.bearer("administrator"))).status_code == 202
    [cancel] = world.publisher.messages
    assert (type(cancel), cancel.cancelled_by) == (CancelRestart, "administrator")
    await world.say(world.make.moved(attempt, 2, Status.DISPATCHING, steps={Step.SENT: datetime.now(UTC)}))
    late = await world.http.delete(url, headers=world.bearer("administrator"))
    assert (late.status_code, len(world.publisher.messages)) == (409, 2)


async def test_a_refused_second_request_is_not_shown_as_the_chargers_last_restart(world):
    await world.seed()
    first, second = uuid4(), uuid4()
    await world.say(
        world.make.moved(first, 1, Status.DISPATCHING),
        world.make.moved(second, 1, Status.REFUSED, existing_attempt_id=first, requested_by="super_administrator"),
    )
    shown = (await get(world, "/chargers/CP-1")).json()
    assert (shown["open_attempt"]["attempt_id"], shown["last_attempt"]) == (str(first), None)
    assert (await get(world, f"/restarts/{second}")).json()["existing_attempt_id"] == str(first)


async def test_a_charger_that_was_removed_or_a_member_who_left_is_gone_at_once(world):
    await world.seed()
    await world.say(MembershipEnded(group_id="depot", user_id="user"))
    assert (await get(world, "/chargers/CP-1", "user")).status_code == 404
    await world.say(ChargerRemoved(charger_id="CP-1"))
    assert (await get(world, "/chargers/CP-1")).status_code == 404


async def test_a_later_membership_of_a_smaller_version_does_not_win(world):
    await world.seed()
    await world.say(world.make.member("user", "depot", Role.ADMINISTRATOR, 3))
    await world.say(world.make.member("user", "depot", Role.USER, 2))
    assert (await get(world, "/me", "user")).json()["groups"][0]["role"] == "administrator"


async def test_a_session_that_ended_does_not_hide_a_newer_one(world):
    await world.seed()
    await world.say(world.make.connected(epoch=5))
    gone = ChargerDisconnected(charger_id="CP-1", epoch=4, bridge="b1", since=datetime.now(UTC), why="replaced")
    await world.say(gone)
    assert (await get(world, "/chargers/CP-1")).json()["online"] is True
    await world.say(gone.model_copy(update={"epoch": 5}))
    shown = (await get(world, "/chargers/CP-1")).json()
    assert (shown["online"], shown["state"], reasons(shown)) == (False, "offline", ["offline"])


async def test_openapi_describes_every_call(world):
    described = (await world.http.get("/api/v1/openapi.json")).json()["paths"]
    assert set(described["/api/v1/chargers/{charger_id}"]) == {"get", "put", "delete"}
    assert "202" in described["/api/v1/chargers/{charger_id}/restarts"]["post"]["responses"]
    assert "/api/v1/chargers/{charger_id}/registration" in described
    assert "text/event-stream" in described["/api/v1/events"]["get"]["responses"]["200"]["content"]
