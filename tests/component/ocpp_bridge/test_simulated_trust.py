"""The simulator's chargers over TLS, with client certificates, and with passwords that are changed over OCPP."""

from datetime import timedelta
from uuid import uuid4

import pytest
from certificates import Authority
from joserfc.jwk import ECKey

from chassis.clock import SystemClock
from chassis.testing import eventually
from contracts.calls import PasswordAccepted, PasswordRotated, RotatePassword
from contracts.envelope import Envelope
from contracts.ocpp import ChargerBooted
from simulator.fleet import spec_of

PASSWORD = "0123456789abcdef0123"
PROTOCOLS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def bridge(site, authority):
    server = authority.issue("localhost")
    return await site.start(tls_port=0, tls_certificates=str(server), tls_client_ca=str(authority.file))


def charger_of(bridge, authority, profile, protocol):
    row = {"id": "garage-1", "protocol": protocol, "url": f"ws://127.0.0.1:{bridge.listener.port}/ocpp"}
    if profile in (2, 3):
        row |= {"url": f"wss://localhost:{bridge.listener.tls_port}/ocpp", "ca": str(authority.file)}
    if profile in (1, 2):
        row["password"] = PASSWORD
    if profile == 3:
        authority.issue("garage-1")
        row |= {
            "certificate": str(authority.folder / "{id}-ecdsa.crt"),
            "key": str(authority.folder / "{id}-ecdsa.key"),
        }
    return spec_of(row, {}, "test").charger(speed=10)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("profile", [0, 1, 2, 3])
async def test_a_simulated_charger_of_each_profile_comes_in(site, bridge, authority, profile, protocol):
    site.enroll("garage-1", profile=profile, password=PASSWORD.encode())
    async with charger_of(bridge, authority, profile, protocol) as charger:
        await charger.booted()
    assert site.publisher.of(ChargerBooted)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("profile", [1, 2])
async def test_a_simulated_charger_takes_a_new_password_and_comes_back_with_it(
    site, bridge, authority, profile, protocol
):
    site.enroll("garage-1", profile=profile, password=PASSWORD.encode())
    async with charger_of(bridge, authority, profile, protocol) as charger:
        await charger.booted()
        epoch = bridge.sessions.get("garage-1").epoch
        asked = RotatePassword(
            charger_id="garage-1",
            call_id=uuid4(),
            asked_by="operator",
            not_after=SystemClock().now() + timedelta(seconds=30),
            answer_within_s=30,
            reply_key=ECKey.generate_key("P-256").as_dict(private=False),
        )
        bridge.operator_calls.take(Envelope(uuid4(), "/services/portal", SystemClock().now(), asked))
        [accepted] = await site.published(PasswordAccepted)
        before = site.credential("garage-1")
        changed = {"salt": accepted.salt, "verifier": accepted.verifier, "version": before.version + 1}
        site.publish_credential(before.model_copy(update=changed))
        await site.published(PasswordRotated)

        def is_back():
            session = bridge.sessions.get("garage-1")
            assert session is not None
            assert session.epoch > epoch

        await eventually(is_back, 60.0)
        assert charger.endpoint.password != PASSWORD.encode()
