"""A new password over OCPP: which one counts at each step, whatever is lost or dies in between."""

import asyncio
import hmac
from datetime import timedelta
from uuid import uuid4

import aiohttp
import pytest
from joserfc import jwe
from joserfc.jwk import ECKey
from structlog.testing import capture_logs

from chassis.clock import SystemClock
from chassis.testing import eventually
from contracts import topics
from contracts.calls import CallFailed, PasswordAccepted, PasswordRotated, RotatePassword
from contracts.envelope import Envelope

OLD = b"0123456789abcdef0123"
PROTOCOLS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
STATUS_OF = {
    "ocpp1.6": lambda status: {"status": status},
    "ocpp2.0.1": lambda status: {"setVariableResult": [
        {"attributeStatus": status, "component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    ]},
}  # fmt: skip
STATUS_OF["ocpp2.1"] = STATUS_OF["ocpp2.0.1"]


class Asker:
    """Somebody who asks for a new password and holds the key to what is answered."""

    def __init__(self, site, charger_id="garage-1") -> None:
        self.site = site
        self.charger_id = charger_id
        self.key = ECKey.generate_key("P-256")
        self.calls = []

    def ask(self, bridge, *, within=30.0, start=30.0, **more):
        call = RotatePassword(
            **{
                "charger_id": self.charger_id,
                "call_id": uuid4(),
                "asked_by": "super",
                "not_after": SystemClock().now() + timedelta(seconds=start),
                "answer_within_s": within,
                "reply_key": self.key.as_dict(private=False),
                **more,
            }
        )
        self.calls.append(call)
        bridge.operator_calls.take(Envelope(uuid4(), "/services/portal", SystemClock().now(), call))
        return call

    async def answer(self, kind, call=None):
        wanted = (call or self.calls[-1]).call_id
        found = []

        def told():
            found[:] = [said for said in self.site.publisher.of(kind) if said.call_id == wanted]
            assert len(found) == 1, self.site.publisher.published

        await eventually(told, 60.0)
        return found[0]

    def open(self, rotated: PasswordRotated) -> bytes:
        return jwe.decrypt_compact(rotated.sealed_password, self.key).plaintext


@pytest.fixture
def asker(site) -> Asker:
    return Asker(site)


async def given(charger) -> tuple[str, bytes]:
    """The message id and the new password of the frame that the charger gets."""
    _, message_id, action, payload = await charger.receive()
    if action == "ChangeConfiguration":
        assert payload["key"] == "AuthorizationKey"
        return message_id, payload["value"].encode()
    assert action == "SetVariables"
    [data] = payload["setVariableData"]
    assert (data["component"], data["variable"]) == ({"name": "SecurityCtrlr"}, {"name": "BasicAuthPassword"})
    return message_id, data["attributeValue"].encode()


async def take(charger, message_id, status="Accepted") -> None:
    await charger.send([3, message_id, STATUS_OF[charger.ws.protocol](status)])


async def lets_in(site, bridge, password, *protocols) -> bool:
    try:
        async with site.connected(bridge, "garage-1", *(protocols or ("ocpp1.6",)), password=password):
            return True
    except aiohttp.WSServerHandshakeError as refused:
        if refused.status != 401:
            raise
        return False


def fleet_keeps(site, accepted: PasswordAccepted) -> None:
    """What fleet says when it has taken the new password over."""
    before = site.credential(accepted.charger_id)
    site.publish_credential(
        before.model_copy(
            update={"salt": accepted.salt, "verifier": accepted.verifier, "version": accepted.replaces + 1}
        )
    )


async def rows(bridge) -> list[tuple[bool]]:
    found = await bridge._store.fetch("select accepted_at is not null from password_changes")
    return [row[0] for row in found]


async def no_rows(bridge) -> None:
    async def none():
        assert await rows(bridge) == []

    await eventually(none)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_new_password_is_told_once_fleet_keeps_it_and_the_old_one_is_refused(site, asker, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        asker.ask(bridge)
        message_id, password = await given(charger)
        assert await rows(bridge) == [False], "it is staged before it is sent"
        await take(charger, message_id)
        [accepted] = await site.published(PasswordAccepted)
        assert accepted.replaces == 1
        assert accepted.verifier == hmac.digest(bytes.fromhex(accepted.salt), password, "sha256").hex()
        assert site.publisher.of(PasswordRotated) == [], "fleet does not keep it yet"
        assert not await lets_in(site, bridge, OLD)
        assert await lets_in(site, bridge, password)
        fleet_keeps(site, accepted)
        assert asker.open(await asker.answer(PasswordRotated)) == password
    assert not await lets_in(site, bridge, OLD)
    assert await lets_in(site, bridge, password)
    await no_rows(bridge)
    assert site.metric(bridge, "password_rotations_total", outcome="rotated") == 1


async def test_a_1_6_charger_may_send_the_bytes_that_its_new_key_stands_for(site, asker):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asker.ask(bridge)
        message_id, password = await given(charger)
        await take(charger, message_id)
        await site.published(PasswordAccepted)
    assert 16 <= len(bytes.fromhex(password.decode())) <= 20
    assert await lets_in(site, bridge, bytes.fromhex(password.decode()))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
async def test_a_charger_that_refuses_keeps_its_old_password(site, asker, protocol, status):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        asker.ask(bridge)
        message_id, password = await given(charger)
        await take(charger, message_id, status)
        assert (await asker.answer(CallFailed)).why == "refused_by_charger"
    assert not await lets_in(site, bridge, password)
    assert await lets_in(site, bridge, OLD)
    assert site.publisher.of(PasswordAccepted) == []
    await no_rows(bridge)


async def test_a_charger_that_answers_with_an_error_keeps_its_old_password(site, asker):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asker.ask(bridge)
        message_id, password = await given(charger)
        await charger.send([4, message_id, "NotSupported", "", {}])
        failed = await asker.answer(CallFailed)
        assert (failed.why, failed.code) == ("call_error", "NotSupported")
    assert not await lets_in(site, bridge, password)
    assert await lets_in(site, bridge, OLD)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([3, {"status": "RebootRequired"}], "refused_by_charger"),
        ([3, {"status": 7}], "refused_by_charger"),
        ([3, {"status": "accepted"}], "refused_by_charger"),
        ([4, "InternalError", "stored, but then", {}], "call_error"),
        ([4, "GenericError", "", {}], "call_error"),
        (None, "timeout"),
    ],
)
async def test_without_a_clear_answer_the_old_one_counts_until_the_new_one_is_shown(site, asker, answer, why):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asker.ask(bridge, **({"within": 0.3} if answer is None else {}))
        message_id, password = await given(charger)
        if answer is not None:
            await charger.send([answer[0], message_id, *answer[1:]])
        assert (await asker.answer(CallFailed)).why == why
    assert await lets_in(site, bridge, OLD)
    assert site.publisher.of(PasswordAccepted) == []
    assert await lets_in(site, bridge, password)
    [accepted] = await site.published(PasswordAccepted)
    assert not await lets_in(site, bridge, OLD), "the charger has shown that it took the new one"
    fleet_keeps(site, accepted)
    await no_rows(bridge)
    assert await lets_in(site, bridge, password)


async def test_an_answer_that_comes_too_late_counts(site, asker):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asker.ask(bridge, within=0.2)
        message_id, _ = await given(charger)
        await asker.answer(CallFailed)
        await take(charger, message_id)
        await site.published(PasswordAccepted)
    assert not await lets_in(site, bridge, OLD)


async def test_an_answer_on_the_next_session_counts(site, asker):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asker.ask(bridge)
        message_id, _ = await given(charger)
    assert (await asker.answer(CallFailed)).why == "session_ended"
    async with site.connected(bridge, "garage-1") as charger:
        await take(charger, message_id, "Rejected")
        await no_rows(bridge)
        assert await lets_in(site, bridge, OLD)


async def test_a_password_is_staged_by_the_time_a_bridge_dies_with_the_frame_sent(site, asker):
    first = await site.start("first", lease_s=1.0)
    async with site.booted(first, "garage-1") as charger:
        asker.ask(first)
        _, password = await given(charger)
        await site.vanish(first)
    second = await site.start("second", lease_s=1.0)
    assert await lets_in(site, second, OLD)
    assert await lets_in(site, second, password)
    assert not await lets_in(site, second, OLD)
    [accepted] = await site.published(PasswordAccepted)
    fleet_keeps(site, accepted)
    await no_rows(second)
    assert await lets_in(site, second, password)


async def test_a_bridge_that_dies_before_the_frame_is_sent_leaves_the_old_password_in_force(site, asker):
    first = await site.start("first", lease_s=1.0)
    async with site.booted(first, "garage-1"):
        session = first.sessions.get("garage-1")

        async def never(*_arguments):
            await asyncio.get_running_loop().create_future()

        session_type = type(session)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session_type, "begin_call", never)
            asker.ask(first)

            async def staged():
                assert await rows(first) == [False]

            await eventually(staged)
            await site.vanish(first)
    second = await site.start("second", lease_s=1.0)
    assert await lets_in(site, second, OLD)


async def test_an_accepted_password_that_kafka_did_not_take_is_told_by_whoever_comes_next(site, asker):
    first = await site.start("first", lease_s=1.0)
    site.publisher.failing.add(topics.OCPP_CREDENTIAL_CHANGES.name)
    async with site.booted(first, "garage-1") as charger:
        asker.ask(first)
        message_id, password = await given(charger)
        await take(charger, message_id)

        async def kept():
            assert await rows(first) == [True]

        await eventually(kept)
        await site.vanish(first)
    assert site.publisher.of(PasswordAccepted) == []
    site.publisher.failing.clear()
    second = await site.start("second", lease_s=1.0)
    [accepted] = await site.published(PasswordAccepted)
    assert not await lets_in(site, second, OLD)
    assert await lets_in(site, second, password)
    fleet_keeps(site, accepted)
    await no_rows(second)


async def test_a_bridge_that_comes_after_fleet_has_kept_it_has_nothing_left_to_do(site, asker):
    first = await site.start("first", lease_s=1.0)
    async with site.booted(first, "garage-1") as charger:
        asker.ask(first)
        message_id, password = await given(charger)
        await take(charger, message_id)
        [accepted] = await site.published(PasswordAccepted)
        await site.vanish(first)
    fleet_keeps(site, accepted)
    second = await site.start("second", lease_s=1.0)
    await no_rows(second)
    assert len(site.publisher.of(PasswordAccepted)) == 1
    assert await lets_in(site, second, password)
    assert not await lets_in(site, second, OLD)


async def test_what_kafka_did_not_take_is_told_again_and_then_answered(site, asker):
    bridge = await site.start()
    bridge.trust.changes._every = 0.05
    site.publisher.failing.add(topics.OCPP_CREDENTIAL_CHANGES.name)
    async with site.booted(bridge, "garage-1") as charger:
        asker.ask(bridge)
        message_id, password = await given(charger)
        await take(charger, message_id)

        async def kept():
            assert await rows(bridge) == [True]

        await eventually(kept)
        site.publisher.failing.clear()
        await bridge.trust.changes.look()
        accepted = (await site.published(PasswordAccepted))[0]
        fleet_keeps(site, accepted)
        assert asker.open(await asker.answer(PasswordRotated)) == password


async def test_a_password_that_fleet_does_not_confirm_in_time_is_not_shown_but_counts(site, asker):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asker.ask(bridge, start=2.0, within=2.0)
        message_id, password = await given(charger)
        await take(charger, message_id)
        assert (await asker.answer(CallFailed)).why == "not_stored"
    assert await lets_in(site, bridge, password)
    assert not await lets_in(site, bridge, OLD)


async def test_another_change_of_the_credential_in_between_is_told_fleet_again(site, asker):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asker.ask(bridge)
        message_id, password = await given(charger)
        await take(charger, message_id)
        await site.published(PasswordAccepted)
        before = site.credential("garage-1")
        site.publish_credential(before.model_copy(update={"version": 2}))
        accepted = (await site.published(PasswordAccepted, 2))[-1]
        assert accepted.replaces == 2
        fleet_keeps(site, accepted)
        assert asker.open(await asker.answer(PasswordRotated)) == password


async def test_a_password_that_an_operator_sets_meanwhile_has_the_last_word(site, asker):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asker.ask(bridge)
        message_id, password = await given(charger)
        await take(charger, message_id)
        await site.published(PasswordAccepted)
        site.enroll("garage-1", password=b"set by an operator")
        assert (await asker.answer(CallFailed)).why == "not_stored"
    assert await lets_in(site, bridge, b"set by an operator")
    assert not await lets_in(site, bridge, password)
    await no_rows(bridge)


async def test_a_revoked_charger_is_not_let_in_with_any_password(site, asker):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asker.ask(bridge, within=0.2)
        _, password = await given(charger)
        await asker.answer(CallFailed)
    site.revoke("garage-1")
    for tried in (OLD, password):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with site.connected(bridge, "garage-1", password=tried):
                pass
        assert caught.value.status == 404
    await no_rows(bridge)


async def test_the_same_call_is_never_sent_twice(site, asker):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        call = asker.ask(bridge, within=0.3)
        await given(charger)
        await asker.answer(CallFailed)
        bridge.operator_calls.take(Envelope(uuid4(), "/services/portal", SystemClock().now(), call))
        answered = await charger.call("Heartbeat", {})
        assert "currentTime" in answered


@pytest.mark.parametrize("profile", [0, 3])
async def test_a_charger_without_a_password_is_not_given_one(site, asker, profile):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1"):
        site.enroll("garage-1", profile=profile)
        asker.ask(bridge)
        assert (await asker.answer(CallFailed)).why == "not_allowed"


async def test_a_charger_that_is_being_restarted_is_left_alone(site, asker):
    bridge = await site.start()
    bridge.open_attempts._open["garage-1"] = {uuid4()}
    async with site.booted(bridge, "garage-1"):
        asker.ask(bridge)
        assert (await asker.answer(CallFailed)).why == "attempt_open"


@pytest.mark.parametrize("key", [{}, {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}, {"kty": "oct", "k": "AA"}])
async def test_a_key_that_nothing_can_be_sealed_to_is_refused_before_anything_is_sent(site, asker, key):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asker.ask(bridge, reply_key=key)
        assert (await asker.answer(CallFailed)).why == "invalid"
        assert "currentTime" in await charger.call("Heartbeat", {})
    assert await rows(bridge) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_new_password_stands_in_no_log_no_event_and_no_frame_that_is_kept(site, asker, protocol):
    bridge = await site.start()
    with capture_logs() as logs:
        async with site.booted(bridge, "garage-1", protocol) as charger:
            asker.ask(bridge)
            message_id, password = await given(charger)
            await take(charger, message_id)
            [accepted] = await site.published(PasswordAccepted)
            fleet_keeps(site, accepted)
            await asker.answer(PasswordRotated)
            kept = str(bridge.boxes.of("garage-1").frames(SystemClock().now()))
    assert "BasicAuthPassword" in kept or "AuthorizationKey" in kept
    events = "".join(said.data.model_dump_json() for _, said in site.publisher.handed_over)
    assert all(password.decode() not in text for text in (str(logs), events, kept, repr(accepted)))
