"""Each service is told where it is and whom it may call, and nothing else."""

import sys

from ops.embedded.services import SERVICES, Service, environment, wishes

PORTS = {service.name: service.port for service in SERVICES} | {"bridge": 8180}
BY_NAME = {service.name: service for service in SERVICES}


def test_a_service_is_started_as_its_module():
    assert BY_NAME["ocpp-bridge"].command("migrate") == (sys.executable, "-m", "ocpp_bridge", "migrate")


def test_the_portal_is_told_whom_it_forwards_to_and_listens_where_people_are():
    assert environment(BY_NAME["portal"], PORTS, "0.0.0.0") == {
        "HTTP_HOST": "0.0.0.0",
        "HTTP_PORT": "8080",
        "PORTAL_AUTH_URL": "http://127.0.0.1:18081",
        "PORTAL_BILLING_URL": "http://127.0.0.1:18082",
        "PORTAL_FLEET_URL": "http://127.0.0.1:18083",
    }


def test_the_bridge_listens_for_chargers_apart_from_its_health():
    assert environment(BY_NAME["ocpp-bridge"], PORTS, "0.0.0.0") == {
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "18084",
        "OCPP_BRIDGE_HOST": "0.0.0.0",
        "OCPP_BRIDGE_PORT": "8180",
    }


def test_every_other_service_stays_on_the_loopback():
    for name in ("auth", "billing", "fleet", "restart-orchestrator"):
        assert environment(BY_NAME[name], PORTS, "0.0.0.0")["HTTP_HOST"] == "127.0.0.1"


def test_people_know_the_ports_of_the_portal_and_the_chargers_only():
    wanted = wishes(SERVICES, host="0.0.0.0", kafka=True, postgres=True)
    assert {wish.name for wish in wanted if wish.fixed} == {"portal", "bridge"}
    assert {wish.name for wish in wanted if wish.host == "0.0.0.0"} == {"portal", "bridge"}


def test_nothing_is_listened_on_for_a_given_cluster_and_database():
    assert wishes((), host="127.0.0.1", kafka=False, postgres=False) == []


def test_a_changed_migration_changes_the_fingerprint(tmp_path, monkeypatch):
    package = tmp_path / "some_service"
    (package / "migrations" / "versions").mkdir(parents=True)
    (package / "__init__.py").touch()
    first = package / "migrations" / "versions" / "0001_first.py"
    first.write_text("revision = '0001'\n")
    monkeypatch.syspath_prepend(tmp_path)
    service = Service("some-service", 1)
    before = service.migrations()
    assert before == service.migrations()
    assert before is not None
    first.with_name("0002_second.py").write_text("revision = '0002'\n")
    assert service.migrations() not in (None, before)


def test_a_service_without_migrations_has_no_fingerprint():
    assert Service("no-such-service", 1).migrations() is None
    assert Service("auth", 1, argv=("true",)).migrations() is None
