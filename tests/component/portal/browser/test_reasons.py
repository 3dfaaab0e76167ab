"""Why a restart is not available: every reason in words, in both languages, and live."""

import asyncio
from statistics import median
from time import monotonic

import pytest
from playwright.async_api import expect

from contracts.availability import Situation, blocked_by
from contracts.ocpp import ChargerDisconnected, FirmwareStatusReported, TransactionStarted
from contracts.restart import Confidence, Outcome, RefusalReason, Status, Step, Verdict
from contracts.words import Plan, Role

GONE = ChargerDisconnected(charger_id="CP-1", epoch=1, bridge="b", since="2026-03-01T12:00:00Z", why="lost")
CHARGING = TransactionStarted(charger_id="CP-1", epoch=1, evse_id=1, connector_id=1, transaction_id="7", meter_wh=0)
UPDATING = FirmwareStatusReported(charger_id="CP-1", epoch=1, status="Installing", updating=True)
WORDS = {
    "role": {
        "en": "your role is user. Ask one of them: Super_administrator, Administrator.",
        "es": "tu rol es usuario. Pídeselo a uno de ellos: Super_administrator, Administrator.",
    },
    "plan": {
        "en": "Depot has the Basic plan; Standard and Business include remote restart. "
        "A super-administrator of the group can change it: Super_administrator.",
        "es": "Depot tiene el plan Basic; Standard y Business incluyen el reinicio remoto. "
        "Un superadministrador del grupo puede cambiarlo: Super_administrator.",
    },
    "model": {
        "en": "Terra can't be restarted remotely, only on site.",
        "es": "Terra no se puede reiniciar a distancia, solo in situ.",
    },
    "offline": {"en": "It must be online", "es": "Debe estar en línea"},
    "charging": {"en": "Charging on connector 1", "es": "Cargando en el conector 1"},
    "updating_firmware": {"en": "Updating its firmware", "es": "Actualizando el firmware"},
    "already_restarting": {"en": "A restart is under way", "es": "Ya hay un reinicio en curso"},
}


async def bring_about(world, restarting, reason):
    match reason:
        case "plan":
            await world.say(world.make.plan(to=Plan.BASIC, version=2))
        case "model":
            await world.say(world.make.charger("CP-1", site="Pier 3", abilities=frozenset(), version=2))
        case "offline":
            await world.say(GONE)
        case "charging":
            await world.say(CHARGING)
        case "updating_firmware":
            await world.say(UPDATING)
        case "already_restarting":
            await restarting.say(Status.AWAITING_DROP)


def test_every_reason_is_shown_here():
    assert set(WORDS) == {reason.value for reason in RefusalReason} - {"not_a_member"}, "who is none sees no charger"


@pytest.mark.parametrize("reason", WORDS)
async def test_a_reason_alone_is_words_on_the_page_and_in_the_tooltip_and_opens_nothing(
    desk, world, restarting, reason
):
    user = "user" if reason == "role" else "administrator"
    await bring_about(world, restarting, reason)
    for language, locale in (("en", "en-GB"), ("es", "es-ES")):
        page = await desk.page(user=user, locale=locale)
        icon = page.get_by_test_id("restart-icon")
        await expect(icon).to_have_attribute("aria-disabled", "true")
        await expect(page.get_by_test_id("restart-reasons")).to_contain_text(WORDS[reason][language])
        await icon.focus()
        tooltip = page.get_by_test_id("restart-tooltip")
        await expect(tooltip).to_be_visible()
        await expect(tooltip).to_contain_text(WORDS[reason][language])
        await icon.click(force=True)
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("restart-dialog")).to_be_hidden()


async def test_all_reasons_at_once_are_all_there(desk, world, restarting):
    for reason in WORDS:
        await bring_about(world, restarting, reason)
    page = await desk.page(user="user")
    for words in WORDS.values():
        await expect(page.get_by_test_id("restart-reasons")).to_contain_text(words["en"])


@pytest.mark.parametrize("reason", ["plan", "offline", "charging", "updating_firmware", "already_restarting"])
async def test_what_happens_elsewhere_turns_the_icon_grey_without_a_reload(desk, world, restarting, reason):
    page = await desk.page()
    icon = page.get_by_test_id("restart-icon")
    await expect(icon).to_have_attribute("data-kind", "available")
    await page.evaluate("window.notReloaded = true")
    await bring_about(world, restarting, reason)
    await expect(icon).not_to_have_attribute("data-kind", "available")
    await expect(page.get_by_test_id("restart-reasons")).to_contain_text(WORDS[reason]["en"])
    assert await page.evaluate("window.notReloaded")


async def test_a_role_withdrawn_is_grey(desk, world):
    page = await desk.page()
    await world.say(world.make.member("administrator", "depot", Role.USER, 2))
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "blocked")
    await expect(page.get_by_test_id("restart-reasons")).to_contain_text("your role is user")


async def seen_after(page, hook, attribute, value):
    """Waits until it is seen; returns how long that took, in seconds."""
    began = monotonic()
    await expect(page.get_by_test_id(hook)).to_have_attribute(attribute, value)
    return monotonic() - began


async def test_the_icon_follows_a_plan_to_and_fro_within_a_second(desk, world):
    page = await desk.page()
    waits = []
    for version in range(2, 11):
        plan, kind = (Plan.BUSINESS, "available") if version % 2 else (Plan.BASIC, "blocked")
        await world.say(world.make.plan(to=plan, version=version))
        waits.append(await seen_after(page, "restart-icon", "data-kind", kind))
    # Of several: a loaded machine may be late now and then, one that has to be asked is late more often than not.
    assert median(waits) < 1, waits


async def test_two_administrators_see_the_same_within_a_second(desk, restarting):
    one = await desk.page()
    other = await desk.page(user="super_administrator")
    waits = []
    for step in (Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE, Step.BACK):
        await restarting.reach(step)
        both = (seen_after(page, f"step-{step}", "data-mark", "done") for page in (one, other))
        waits.append(max(await asyncio.gather(*both)))
    assert median(waits) < 1, waits
    for page in (one, other):
        await expect(page.get_by_text("Requested by Administrator")).to_be_visible()


async def test_a_refusal_is_not_read_as_the_readers_own(desk, world, restarting):
    situation = Situation(Role.USER, "business", frozenset({"remote_restart"}), "Terra", frozenset(), online=True)
    verdict = Verdict(outcome=Outcome.REFUSED, confidence=Confidence.PROVEN)
    restarting.by = "user"
    await restarting.say(Status.REFUSED, refusals=blocked_by(situation), verdict=verdict)
    page = await desk.page()
    shown = page.get_by_test_id("verdict")
    await expect(shown).to_contain_text("the role of who asked was user")
    await expect(shown).not_to_contain_text("your role")
