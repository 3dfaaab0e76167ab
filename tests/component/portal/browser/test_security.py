"""The security events of a charger on its page: live, in the reader's words, for administrators alone."""

from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from contracts.ocpp import ConnectionRefused


def refused(**options) -> ConnectionRefused:
    values = {"why": "wrong_password", "address": "192.0.2.7", "count": 1, "last_at": datetime.now(UTC), **options}
    return ConnectionRefused(charger_id="CP-1", **values)


async def test_who_is_refused_appears_while_somebody_looks_and_is_counted(desk, world):
    page = await desk.page()
    shown = page.get_by_test_id("security")
    await expect(shown).to_contain_text("Nobody was turned away.")
    await world.say(refused())
    await expect(shown.locator("li")).to_have_count(1)
    await expect(shown).to_contain_text("Wrong password, from 192.0.2.7")
    await world.say(refused(count=11))
    await expect(shown).to_contain_text("12 times, the first")
    await world.say(refused(why="wrong_certificate", cause="expired", named_by="certificate", address="<b>x</b>"))
    await expect(shown.locator("li")).to_have_count(2)
    await expect(shown).to_contain_text("Certificate expired, from <b>x</b>; the certificate only claims to be")


@pytest.mark.parametrize("script", [True, False])
async def test_it_is_told_in_spanish_with_a_script_and_without(desk, world, script):
    await world.say(refused(why="too_many"))
    context = await desk.context(locale="es-ES", java_script_enabled=script)
    page = await context.new_page()
    await page.goto("/chargers/CP-1")
    shown = page.get_by_test_id("security")
    await expect(shown).to_contain_text("Eventos de seguridad")
    await expect(shown).to_contain_text("Demasiados intentos incorrectos, desde 192.0.2.7")


async def test_a_member_who_is_no_administrator_sees_none_and_asks_for_none(desk, world):
    page = await desk.page(user="user")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await world.say(refused())
    await world.say(world.make.connected("CP-1", 2))
    await expect(page.get_by_test_id("charger-state")).to_have_attribute("data-state", "available")
    assert await page.get_by_test_id("security").count() == 0
    assert [url for url in asked if "security-events" in url] == []
