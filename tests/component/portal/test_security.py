"""Who was not let in under a charger's name: counted, bounded, and told to the administrators of its group."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from contracts.ocpp import ConnectionRefused, StrangerRefused
from portal import security

AT = datetime(2026, 3, 4, 10, tzinfo=UTC)
PATH = "/api/v1/chargers/CP-1/security-events"


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def refused(seconds: float = 0, *, count: int = 1, charger_id: str = "CP-1", **options) -> ConnectionRefused:
    values = {"why": "wrong_password", "address": "192.0.2.7", **options}
    return ConnectionRefused(charger_id=charger_id, count=count, last_at=after(seconds), **values)


async def told(world, who="administrator", path=PATH, **options):
    answer = await world.http.get(path, headers=world.bearer(who, **options))
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


@pytest.mark.parametrize("who", ["administrator", "super_administrator"])
async def test_administrators_of_the_group_are_told_why_when_from_where_and_how_often(world, who):
    await world.seed()
    await world.say(refused(), at=after(0))
    await world.say(refused(60, count=11), at=after(61))
    await world.say(refused(30, why="wrong_certificate", cause="expired", named_by="certificate"), at=after(31))
    often, claimed = await told(world, who)
    assert (often["why"], often["cause"], often["named_by"], often["address"]) == (
        "wrong_password", None, "request", "192.0.2.7"
    )  # fmt: skip
    assert (often["count"], often["first_at"], often["last_at"]) == (12, "2026-03-04T10:00:00Z", "2026-03-04T10:01:00Z")
    assert often["detail"] == "Wrong password, from 192.0.2.7. 12 times, the first 2026-03-04 10:00:00 UTC"
    assert claimed["named_by"] == "certificate"
    assert claimed["detail"] == (
        "Certificate expired, from 192.0.2.7; the certificate only claims to be this charger's"
    )


@pytest.mark.parametrize("who", ["operator", "user"])
async def test_other_members_are_not_told(world, who):
    await world.seed()
    await world.say(refused())
    assert (await world.http.get(PATH, headers=world.bearer(who))).status_code == 403
    page = await world.http.get("/chargers/CP-1", headers=await page_headers(world, who))
    assert "192.0.2.7" not in page.text
    assert 'data-testid="security"' not in page.text


async def test_a_stranger_learns_no_more_than_of_a_charger_that_does_not_exist(world):
    await world.seed()
    await world.say(refused())
    assert (await world.http.get(PATH, headers=world.bearer("stranger"))).status_code == 404
    assert (await world.http.get("/api/v1/chargers/none/security-events", headers=world.bearer("x"))).status_code == 404
    assert (await world.http.get(PATH)).status_code == 401


async def test_operators_of_the_system_are_told_of_every_charger(world):
    await world.seed()
    await world.say(refused())
    assert len(await told(world, "stranger", operator=True)) == 1
    missing = await world.http.get("/api/v1/chargers/none/security-events", headers=world.bearer("x", operator=True))
    assert missing.status_code == 404


async def test_the_words_are_in_the_language_that_is_asked_for(world):
    await world.seed()
    await world.say(refused(why="too_many"))
    headers = world.bearer("administrator") | {"accept-language": "es"}
    [each] = (await world.http.get(PATH, headers=headers)).json()["items"]
    assert each["detail"] == "Demasiados intentos incorrectos, desde 192.0.2.7"


async def test_a_cause_that_is_not_known_yet_is_told_as_why(world):
    await world.seed()
    await world.say(refused(why="wrong_certificate", cause="smells_odd"))
    [each] = await told(world)
    assert (each["cause"], each["detail"]) == ("smells_odd", "Certificate not accepted, from 192.0.2.7")


async def test_what_is_said_twice_counts_once(world):
    await world.seed()
    for _ in range(2):
        await world.say(refused(count=3), at=after(1))
    assert [each["count"] for each in await told(world)] == [3]


async def test_a_flood_from_many_addresses_keeps_the_last_ones_and_no_more(world):
    await world.seed()
    await world.say(refused(charger_id="CP-2", why="no_password"))
    for number in range(security.KEPT + 30):
        await world.say(refused(number, address=f"10.0.0.{number}"), at=after(number))
    found = await told(world)
    assert len(found) == security.KEPT
    assert {each["address"] for each in found} == {f"10.0.0.{number}" for number in range(30, security.KEPT + 30)}
    async with world.database.engine.connect() as connection:
        rows = await connection.execute(text("select charger_id, count(*) from portal.refusals group by 1 order by 1"))
        assert [tuple(row) for row in rows] == [("CP-1", security.KEPT), ("CP-2", 1)]


async def test_an_address_can_not_be_of_any_length(world):
    await world.seed()
    await world.say(refused(address="x" * 10_000))
    assert [len(each["address"]) for each in await told(world)] == [security.ADDRESS_LENGTH]


async def test_the_page_tells_it_in_words(world):
    await world.seed()
    await world.say(refused(address="<script>"))
    page = await world.http.get("/chargers/CP-1", headers=await page_headers(world, "administrator"))
    assert "Security events" in page.text
    assert "Wrong password, from &lt;script&gt;" in page.text


async def test_the_page_says_that_nobody_was_turned_away(world):
    await world.seed()
    page = await world.http.get("/chargers/CP-1", headers=await page_headers(world, "administrator"))
    assert "Nobody was turned away." in page.text


async def test_who_looks_is_told_at_once(world):
    await world.seed()
    async with world.stream("administrator") as reader:
        await world.say(refused())
        assert (await reader.next("charger"))["charger_id"] == "CP-1"


async def test_what_has_not_changed_is_not_sent_again(world):
    await world.seed()
    await world.say(refused())
    first = await world.http.get(PATH, headers=world.bearer("administrator"))
    headers = world.bearer("administrator") | {"if-none-match": first.headers["etag"]}
    assert (await world.http.get(PATH, headers=headers)).status_code == 304


def stranger(seconds: float = 0, **options) -> StrangerRefused:
    values = {"why": "wrong_certificate", "address": "203.0.113.9", "cause": "strange_authority", **options}
    return StrangerRefused(count=1, last_at=after(seconds), **values)


async def test_operators_of_the_system_are_told_of_strangers_and_nobody_else_is(world):
    await world.seed()
    await world.say(stranger(claimed_name="first"), at=after(0))
    await world.say(stranger(5, claimed_name="second"), at=after(5))
    await world.say(stranger(7, why="too_many", cause=None), at=after(7))
    crowd, one = await told(world, "x", "/api/v1/strangers", operator=True)
    assert (one["count"], one["claimed_name"], one["cause"]) == (2, "second", "strange_authority")
    assert one["detail"] == (
        "Certificate of an unknown authority, from 203.0.113.9; the certificate claims the name second"
    )
    assert crowd["detail"] == "Too many wrong attempts, from 203.0.113.9"
    refusal = await world.http.get("/api/v1/strangers", headers=world.bearer("super_administrator"))
    assert refusal.status_code == 403


async def test_strangers_are_bounded_too(world, monkeypatch):
    monkeypatch.setattr(security, "STRANGERS_KEPT", 3)
    for number in range(8):
        await world.say(stranger(number, address=f"10.0.0.{number}"), at=after(number))
    found = await told(world, "x", "/api/v1/strangers", operator=True)
    assert [each["address"] for each in found] == ["10.0.0.7", "10.0.0.6", "10.0.0.5"]


async def page_headers(world, user_id: str) -> dict[str, str]:
    return {"cookie": f"comeback_session={world.token(user_id)}", "accept": "text/html"}
