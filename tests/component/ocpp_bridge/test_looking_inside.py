"""What operators see of a charger: its session, its clock, how it deviates, and its last frames without secrets."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from prometheus_client import CollectorRegistry

from chassis.health import Health
from chassis.http import create_http
from chassis.testing import eventually
from chassis.tokens import KeyRing
from contracts.fleet import Registration
from contracts.ocpp import ChargerBooted, ConnectorStatusReported, ResetAccepted
from ocpp_bridge import inspection

KEY = ECKey.generate_key("P-256", {"kid": "test"})
SESSIONS = "/api/v1/sessions"


def bearer(*, operator=True) -> dict[str, str]:
    moment = datetime.now(UTC)
    claims = {"sub": "alex", "name": "Alex", "operator": operator, "iss": "comeback", "aud": "comeback"}
    claims |= {"iat": int(moment.timestamp()), "exp": int(moment.timestamp()) + 600, "jti": uuid4().hex}
    return {"authorization": f"Bearer {jwt.encode({'alg': 'ES256', 'kid': 'test'}, claims, KEY)}"}


@asynccontextmanager
async def asking(bridge, **options):
    keyring = KeyRing()
    keyring.add("test", "ES256", {name: str(value) for name, value in KEY.as_dict(private=False).items()})
    app = create_http("test", health=Health(), registry=CollectorRegistry(), keyring=keyring)
    app.state.inspection = bridge.inspection
    app.include_router(inspection.router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://bridge", headers=bearer(**options)) as http:
        yield http


async def look(bridge, charger_id):
    async with asking(bridge) as http:
        answer = await http.get(f"{SESSIONS}/{charger_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_connected_charger_is_shown_with_its_session_and_hardware(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", "ocpp1.6"):
        seen = await look(bridge, "garage-1")
    assert (seen["online"], seen["held_here"], seen["bridge"]) == (True, True, bridge.instance)
    assert (seen["epoch"], seen["protocol"], seen["accepted"], seen["restarting"]) == (1, "ocpp1.6", True, False)
    assert (seen["vendor"], seen["model"], seen["firmware"]) == ("Acme", "One", "1.2.3")
    assert datetime.now(UTC) - datetime.fromisoformat(seen["since"]) < timedelta(minutes=1)


async def test_what_is_under_way_is_measured(site):
    bridge = await site.start()
    site.enroll("garage-1", registration=Registration.PENDING)

    def now() -> list[float]:
        handshakes = [site.metric(bridge, "handshakes_now", state=state) for state in ("in progress", "waiting")]
        return [*handshakes, site.metric(bridge, "boots_now"), site.metric(bridge, "sessions_pending")]

    assert now() == [0, 0, 0, 0]
    async with site.connected(bridge, "garage-1") as charger:
        assert (await charger.boot())["status"] == "Pending"
        async with bridge.admission.turn("garage-2"):
            with bridge.boots.turn():
                assert now() == [1, 0, 1, 1]
    await eventually(lambda: nothing(now()))


def nothing(numbers: list[float]) -> None:
    assert set(numbers) == {0}


async def test_the_last_frames_of_both_sides_are_shown_without_secrets(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        await charger.call("Authorize", {"idTag": "CARD-4711"})
        await charger.send("garbage")
        await charger.receive()
        frames = (await look(bridge, "garage-1"))["frames"]
    assert [frame["from_charger"] for frame in frames] == [True, False, True, False, True, False]
    assert "BootNotification" in frames[0]["text"]
    assert frames[4]["text"] == "garbage"
    assert "CARD-4711" not in str(frames)


async def test_how_far_a_chargers_clock_is_off_is_shown(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        ahead = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": ahead}
        await charger.call("StatusNotification", status)
        assert (await look(bridge, "garage-1"))["clock_skew_s"] == pytest.approx(600, abs=60)


async def test_deviations_are_shown_by_action_and_kind_and_counted_by_model(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        for stamp in ("yesterday", "2026-03-04 10:00"):
            status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": stamp}
            assert await charger.call("StatusNotification", status) == {}
        await charger.call("Heartbeat", {"vendorInvention": 1})
        await charger.call("Heartbeat", {}, message_id="x" * 40)
        bridge.resets.take(site.reset("garage-1", 1))
        _, message_id, *_ = await charger.receive()
        await charger.send([3, message_id, {"status": "Accepted", "statusInfo": None}])
        await site.published(ResetAccepted)
        seen = await look(bridge, "garage-1")
    found = {(each["action"], each["kind"]): each["count"] for each in seen["deviations"]}
    assert found == {
        ("StatusNotification", "Format"): 2,
        ("Heartbeat", "AdditionalProperties"): 1,
        ("Heartbeat", "MessageIdLength"): 1,
        ("Reset", "Null"): 1,
    }
    labels = {"protocol": "ocpp1.6", "model": "One", "action": "StatusNotification", "kind": "Format"}
    assert site.metric(bridge, "deviations_total", **labels) == 2


async def test_what_was_said_before_a_charger_went_away_is_still_shown(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1"):
        pass
    await eventually(lambda: _gone(bridge))
    await bridge.connectivity.all_told()
    seen = await look(bridge, "garage-1")
    assert (seen["online"], seen["held_here"]) == (False, False)
    assert seen["until"] is not None
    assert len(seen["frames"]) == 2
    async with site.booted(bridge, "garage-1"):
        assert len((await look(bridge, "garage-1"))["frames"]) == 4


def _gone(bridge):
    assert len(bridge.sessions) == 0


async def test_an_instance_that_does_not_hold_a_charger_says_which_one_does(site):
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(two, "garage-1"):
        seen = await look(one, "garage-1")
    assert (seen["online"], seen["held_here"], seen["bridge"], seen["frames"]) == (True, False, two.instance, [])


async def test_the_sessions_of_an_instance_are_listed_page_by_page(site):
    bridge = await site.start()
    async with site.booted(bridge, "c"), site.booted(bridge, "a"), site.booted(bridge, "b"), asking(bridge) as http:
        first = (await http.get(f"{SESSIONS}?limit=2")).json()
        second = (await http.get(f"{SESSIONS}?limit=2&after={first['next']}")).json()
    assert [each["charger_id"] for each in first["items"]] == ["a", "b"]
    assert (first["total"], first["next"]) == (3, "b")
    assert [each["charger_id"] for each in second["items"]] == ["c"]
    assert second["next"] is None


async def test_only_operators_of_the_system_look_inside(site):
    bridge = await site.start()
    async with asking(bridge, operator=False) as http:
        assert (await http.get(SESSIONS)).status_code == 403
        assert (await http.get(f"{SESSIONS}/garage-1")).status_code == 403
        assert (await http.get(SESSIONS, headers={"authorization": "Bearer nonsense"})).status_code == 401


async def test_a_charger_that_never_connected_is_404(site):
    bridge = await site.start()
    async with asking(bridge) as http:
        assert (await http.get(f"{SESSIONS}/nobody")).status_code == 404


async def test_observations_and_answers_carry_the_frame_they_rest_on(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        frame = '[2, "s1", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}]'
        await charger.send(frame)
        await charger.receive()
        await charger.call("StartTransaction", {"connectorId": 1, "idTag": "CARD", "meterStart": 0, "timestamp": "x"})
        bridge.resets.take(site.reset("garage-1", 1))
        _, message_id, *_ = await charger.receive()
        await charger.send([3, message_id, {"status": "Accepted"}])
        [accepted] = await site.published(ResetAccepted)
    assert accepted.frame == f'[3,"{message_id}",{{"status":"Accepted"}}]'
    assert site.publisher.of(ConnectorStatusReported)[0].frame == frame
    assert "BootNotification" in site.publisher.of(ChargerBooted)[0].frame
    assert "CARD" not in str(site.publisher.published)
