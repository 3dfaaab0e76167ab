"""Bringing in many chargers with one call."""

import time
from typing import Any

from contracts import topics


def row(charger_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "charger_id": charger_id,
        "group_id": "harbour",
        "model": "Terra AC",
        "label": charger_id,
        "security_profile": 1,
        "password": None,
        "generate_password": True,
    } | changes


async def bring_in(fleet: Any, *rows: Any) -> list[dict[str, Any]]:
    answer = await fleet.http.post("/api/v1/chargers:import", json={"chargers": list(rows)})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


async def test_good_rows_come_in_and_bad_rows_say_why_each_at_its_place(fleet: Any) -> None:
    results = await bring_in(
        fleet,
        row("C-1"),
        row("C-2", group_id="nowhere"),
        row("C-3", password="too-short", generate_password=False),
        row("C-4", security_profile=0, generate_password=False),
        row("C-1", label="again"),
        {"charger_id": 7},
    )

    assert [(each["row"], each["charger_id"], each["status"]) for each in results] == [
        (1, "C-1", "created"),
        (2, "C-2", "refused"),
        (3, "C-3", "refused"),
        (4, "C-4", "created"),
        (5, "C-1", "refused"),
        (6, None, "refused"),
    ]
    assert [[error["field"] for error in each.get("errors", [])][:1] for each in results] == [
        [],
        ["group_id"],
        ["password"],
        [],
        ["charger_id"],
        ["group_id"],
    ]
    assert results[4]["detail"] == "charger_id: row 1 names the same charger"
    assert [said.charger_id for said in await fleet.said(topics.FLEET_CHARGERS)] == ["C-1", "C-4"]


async def test_made_passwords_are_shown_once_and_a_second_import_changes_nothing(fleet: Any) -> None:
    first = await bring_in(fleet, row("C-1"), row("C-2"))
    again = await bring_in(fleet, row("C-1"), row("C-2", label="renamed"))

    assert all(each["password"] for each in first)
    assert [each["status"] for each in again] == ["unchanged", "updated"]
    assert not any("password" in each for each in again)
    assert len(await fleet.said(topics.FLEET_CREDENTIALS)) == 2


async def test_a_refused_password_is_not_repeated_in_the_answer(fleet: Any) -> None:
    answer = await fleet.http.post(
        "/api/v1/chargers:import", json={"chargers": [row("C-1", password="too-short", generate_password=False)]}
    )

    assert "too-short" not in answer.text


async def test_what_a_pattern_refuses_is_told_in_words(fleet: Any) -> None:
    results = await bring_in(
        fleet,
        row("C:1", label="C-1"),
        row("C-2", label="two\nlines"),
        row("C-3", group_id="-harbour"),
        row("C-4", password="too-short", generate_password=False),
    )

    assert [each["detail"] for each in results] == [
        "charger_id: it is 1 to 48 letters, digits and characters of *-_=+|@.",
        "label: it holds a line break or another control character",
        "group_id: it is 1 to 64 letters, digits and characters of _.-, and begins with a letter or digit",
        "password: a charger's password has 16 to 40 characters, this one has 9",
    ]


async def test_too_many_rows_are_refused_at_once(fleet: Any) -> None:
    refused = await fleet.http.post("/api/v1/chargers:import", json={"chargers": [{}] * 5001})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "body.chargers"


async def test_an_empty_import_is_an_empty_answer(fleet: Any) -> None:
    assert await bring_in(fleet) == []


async def test_the_largest_import_takes_seconds(fleet: Any) -> None:
    began = time.monotonic()

    results = await bring_in(fleet, *(row(f"C-{number}") for number in range(5000)))

    assert {each["status"] for each in results} == {"created"}
    assert time.monotonic() - began < 120  # each row by itself would take many minutes on the machine that is as busy
    assert len(await fleet.said(topics.FLEET_CREDENTIALS)) == 5000
