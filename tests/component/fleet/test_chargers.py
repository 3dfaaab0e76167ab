"""Chargers over HTTP, and what is said about them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from chassis import migrations
from chassis.testing.outbox import outbox_messages
from contracts import topics
from contracts.auth import GroupDefined
from contracts.fleet import ChargerRegistered, ChargerRemoved, CredentialRevoked, CredentialSet, Registration
from fleet.passwords import Verifier
from fleet.tables import metadata

PASSWORD = "a-password-of-a-charger"


async def test_a_charger_is_registered_said_and_shown(fleet: Any) -> None:
    answer = await fleet.register("C-1", site="North quay", vendor="ABB")

    assert answer.status_code == 201
    shown = {
        "charger_id": "C-1",
        "group_id": "harbour",
        "label": "Quay 1",
        "site": "North quay",
        "vendor": "ABB",
        "model": "Terra AC",
        "abilities": ["remote_restart"],
        "security_profile": 1,
        "registration": "accepted",
        "connectivity": None,
    }
    assert answer.json() == shown
    assert (await fleet.http.get("/api/v1/fleet/chargers/C-1")).json() == shown
    assert await fleet.said(topics.FLEET_CHARGERS) == [
        ChargerRegistered(
            charger_id="C-1",
            group_id="harbour",
            label="Quay 1",
            site="North quay",
            vendor="ABB",
            model="Terra AC",
            abilities=frozenset({"remote_restart"}),
            version=1,
        )
    ]


async def test_the_credential_is_said_as_a_verifier_and_the_password_is_kept_nowhere(fleet: Any) -> None:
    await fleet.register("C-1")

    (said,) = await fleet.said(topics.FLEET_CREDENTIALS)
    assert Verifier(said.salt, said.verifier).accepts(PASSWORD)
    async with fleet.service.database.begin() as session:
        for table in metadata.tables.values():
            assert PASSWORD not in str((await session.execute(select(table))).all())


async def test_a_pulsar_is_said_to_be_unable_to_restart(fleet: Any) -> None:
    answer = await fleet.register("C-1", model="Pulsar Plus", vendor="Wallbox")

    assert answer.json()["abilities"] == []
    (said,) = await fleet.said(topics.FLEET_CHARGERS)
    assert said.abilities == frozenset()


async def test_asking_for_the_same_again_changes_nothing_and_says_nothing(fleet: Any) -> None:
    await fleet.register("C-1")

    again = await fleet.register("C-1")
    without_password = await fleet.register("C-1", password=None)

    assert (again.status_code, without_password.status_code) == (200, 200)
    assert len(await fleet.said(topics.FLEET_CHARGERS)) == 1
    assert len(await fleet.said(topics.FLEET_CREDENTIALS)) == 1


async def test_each_change_is_said_with_a_greater_version(fleet: Any) -> None:
    for label in ("Quay 1", "Quay 2", "Quay 3"):
        await fleet.register("C-1", label=label)
    await fleet.register("C-1", label="Quay 3", password="another-password-of-it")

    assert [(said.label, said.version) for said in await fleet.said(topics.FLEET_CHARGERS)] == [
        ("Quay 1", 1),
        ("Quay 2", 2),
        ("Quay 3", 3),
    ]
    assert [said.version for said in await fleet.said(topics.FLEET_CREDENTIALS)] == [1, 2]


async def test_changes_that_come_at_once_get_different_versions(fleet: Any) -> None:
    await asyncio.gather(*(fleet.register("C-1", label=f"Quay {number}", password=PASSWORD) for number in range(6)))

    said = await fleet.said(topics.FLEET_CHARGERS)
    assert [each.version for each in said] == list(range(1, 7))
    assert (await fleet.http.get("/api/v1/fleet/chargers/C-1")).json()["label"] == said[-1].label


async def test_a_password_is_made_where_there_is_none_shown_once_and_not_made_again(fleet: Any) -> None:
    made = await fleet.register("C-1", password=None, generate_password=True)
    again = await fleet.register("C-1", password=None, generate_password=True)

    assert 16 <= len(made.json()["password"]) <= 20
    assert "password" not in again.json()
    (said,) = await fleet.said(topics.FLEET_CREDENTIALS)
    assert Verifier(said.salt, said.verifier).accepts(made.json()["password"])


async def test_a_new_password_replaces_the_old_and_is_shown_once(fleet: Any) -> None:
    await fleet.register("C-1")

    answer = await fleet.http.post("/api/v1/chargers/C-1/credentials")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    said = (await fleet.said(topics.FLEET_CREDENTIALS))[-1]
    assert said.version == 2
    verifier = Verifier(said.salt, said.verifier)
    assert verifier.accepts(answer.json()["password"])
    assert not verifier.accepts(PASSWORD)


@pytest.mark.parametrize("profile", [0, 3])
async def test_a_charger_whose_profile_has_no_password_gets_none(fleet: Any, profile: int) -> None:
    assert (await fleet.register("C-1", security_profile=profile, password=None)).status_code == 201

    refused = await fleet.http.post("/api/v1/chargers/C-1/credentials")

    assert refused.status_code == 409
    assert f"security profile {profile} has no password" in refused.json()["detail"]
    (said,) = await fleet.said(topics.FLEET_CREDENTIALS)
    assert (said.security_profile, said.salt, said.verifier) == (profile, None, None)


async def test_a_removed_charger_ends_on_both_topics_and_comes_back_with_greater_versions(fleet: Any) -> None:
    await fleet.register("C-1")

    assert (await fleet.http.delete("/api/v1/chargers/C-1")).status_code == 204
    assert (await fleet.http.get("/api/v1/fleet/chargers/C-1")).status_code == 404
    assert (await fleet.http.delete("/api/v1/chargers/C-1")).status_code == 404
    assert (await fleet.register("C-1")).status_code == 201

    first, gone, back = await fleet.said(topics.FLEET_CHARGERS)
    assert gone == ChargerRemoved(charger_id="C-1")
    assert (first.version, back.version) == (1, 3)
    secret, revoked, new_secret = await fleet.said(topics.FLEET_CREDENTIALS)
    assert revoked == CredentialRevoked(charger_id="C-1")
    assert (secret.version, new_secret.version) == (1, 3)
    ids = [said.id for said in await outbox_messages(fleet.service.database, topics.FLEET_CHARGERS)]
    assert len(set(ids)) == 3


async def test_a_removed_chargers_verifier_is_forgotten(fleet: Any) -> None:
    await fleet.register("C-1")
    await fleet.http.delete("/api/v1/chargers/C-1")

    async with fleet.service.database.begin() as session:
        assert (await session.execute(text("select salt, verifier from credentials"))).one() == (None, None)


async def test_what_a_boot_is_answered_is_said_to_the_bridge_with_the_same_verifier(fleet: Any) -> None:
    await fleet.register("C-1")

    answer = await fleet.http.put("/api/v1/chargers/C-1/registration", json={"registration": "pending"})

    assert answer.json()["registration"] == "pending"
    before, after = await fleet.said(topics.FLEET_CREDENTIALS)
    assert isinstance(after, CredentialSet)
    assert after == before.model_copy(update={"registration": Registration.PENDING, "version": 2})


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"group_id": "nowhere"}, "body.group_id", "there is no group 'nowhere'"),
        ({"group_id": None}, "body.group_id", "required"),
        ({"model": " "}, "body.model", "at least 1 character"),
        ({"label": "Quay\u00001"}, "body.label", "pattern"),
        ({"security_profile": 4}, "body.security_profile", "0, 1, 2 or 3"),
        ({"password": "fifteen-letters"}, "body.password", "16 to 40 characters, this one has 15"),
        ({"password": "x" * 41}, "body.password", "16 to 40 characters, this one has 41"),
        ({"password": None}, "body.password", "needs a password"),
        ({"security_profile": 0}, "body.password", "security profile 0 has no password"),
        ({"generate_password": True}, "body.generate_password", "not both"),
        ({"firmware": "1.0"}, "body.firmware", "not permitted"),
    ],
)
async def test_a_malformed_charger_is_refused_by_field_and_nothing_is_said(
    fleet: Any, changes: dict[str, Any], field: str, said: str
) -> None:
    refused = await fleet.register("C-1", **changes)

    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    (error,) = refused.json()["errors"]
    assert error["field"] == field
    assert said in error["detail"]
    assert await fleet.said(topics.FLEET_CHARGERS) == []
    assert "fifteen-letters" not in refused.text


@pytest.mark.parametrize("charger_id", ["with:colon", "x" * 49, "with space"])
async def test_an_identity_that_ocpp_does_not_allow_is_refused(fleet: Any, charger_id: str) -> None:
    refused = await fleet.register(charger_id)

    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["path.charger_id"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "fleet/chargers/C-404", None),
        ("DELETE", "chargers/C-404", None),
        ("POST", "chargers/C-404/credentials", None),
        ("PUT", "chargers/C-404/registration", {"registration": "accepted"}),
    ],
)
async def test_a_charger_that_is_not_there_is_named(fleet: Any, method: str, path: str, body: Any) -> None:
    refused = await fleet.http.request(method, f"/api/v1/{path}", json=body)

    assert refused.status_code == 404
    assert refused.json()["detail"] == "There is no charger 'C-404'"


async def test_chargers_are_listed_page_by_page_and_by_group(fleet: Any) -> None:
    await fleet.hear(topics.AUTH_GROUPS, [GroupDefined(group_id="airport", name="Airport")])
    for number in range(5):
        await fleet.register(f"C-{number}", group_id="airport" if number == 4 else "harbour")

    pages: list[list[str]] = []
    after: dict[str, str] = {}
    while True:
        page = (await fleet.http.get("/api/v1/fleet/chargers", params={"limit": 2} | after)).json()
        pages.append([charger["charger_id"] for charger in page["items"]])
        if page["next"] is None:
            break
        after = {"after": page["next"]}

    assert pages == [["C-0", "C-1"], ["C-2", "C-3"], ["C-4"]]
    by_group = (await fleet.http.get("/api/v1/fleet/chargers", params={"group_id": "airport"})).json()
    assert [charger["charger_id"] for charger in by_group["items"]] == ["C-4"]


async def test_a_changed_catalogue_is_followed_at_the_next_start(start_fleet: Any, fleet: Any, tmp_path: Path) -> None:
    await fleet.register("C-1", model="Terra AC")
    await fleet.register("C-2", model="Pulsar")
    file = tmp_path / "models.json"
    file.write_text(json.dumps([{"vendor": "ABB", "name": "Terra AC", "abilities": []}]))

    again = await start_fleet(fleet.service.database.dsn, file)

    said = await again.said(topics.FLEET_CHARGERS)
    assert [(each.charger_id, sorted(each.abilities), each.version) for each in said[2:]] == [
        ("C-1", [], 2),
        ("C-2", ["remote_restart"], 2),
    ]


async def test_the_models_are_listed_with_what_they_can_do(fleet: Any) -> None:
    listed = (await fleet.http.get("/api/v1/models")).json()["items"]

    assert {"vendor": "Wallbox", "name": "Pulsar", "abilities": []} in listed
    assert {"vendor": "ABB", "name": "Terra AC", "abilities": ["remote_restart"]} in listed


async def test_only_operators_may_look_or_change(fleet: Any, person: str) -> None:
    calls = [
        ("GET", "/api/v1/models"),
        ("GET", "/api/v1/fleet/chargers"),
        ("GET", "/api/v1/fleet/chargers/C-1"),
        ("PUT", "/api/v1/chargers/C-1"),
        ("DELETE", "/api/v1/chargers/C-1"),
        ("POST", "/api/v1/chargers/C-1/credentials"),
        ("PUT", "/api/v1/chargers/C-1/registration"),
        ("POST", "/api/v1/chargers:import"),
    ]
    fleet.http.headers.pop("authorization")
    for method, path in calls:
        assert (await fleet.http.request(method, path)).status_code == 401, (method, path)
        answer = await fleet.http.request(method, path, headers={"authorization": person})
        assert answer.status_code == 403, (method, path)


async def test_the_rows_and_the_events_come_together_or_not_at_all(fleet: Any) -> None:
    async with fleet.service.database.begin() as session:
        await session.execute(text("alter table outbox add constraint closed check (topic = 'none') not valid"))

    with capture_logs():
        assert (await fleet.register("C-1")).status_code == 500

    assert (await fleet.http.get("/api/v1/fleet/chargers")).json()["items"] == []


async def test_models_and_migrations_agree(fleet: Any) -> None:
    await migrations.check("fleet", metadata, migrations.directory_of("fleet"), fleet.service.database.dsn)
