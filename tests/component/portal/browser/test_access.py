"""For everyone: no axe violation on any page, in both themes and languages; narrow, forced colours, screen reader's tree."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from contracts.ocpp import ChargerDisconnected
from contracts.restart import Step

AXE = Axe()
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}
PHONE = {"width": 320, "height": 700}


async def checked(page, where):
    found = await AXE.run(page, options=RULES)
    wrong = [
        f"{where}: {each['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]
    assert wrong == []


async def fits(page, where):
    wider = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, f"{where} is {wider} px too wide"


@pytest.mark.parametrize("look", [(theme, language) for theme in ("light", "dark") for language in ("en", "es")])
async def test_axe_finds_nothing_on_any_page_and_none_is_too_wide_for_a_phone(
    desk, world, restarting, another_restart, look
):
    theme, language = look
    await world.say(world.make.charger("CP-2", model="Pulsar Plus"), world.make.connected("CP-2"))
    await world.say(
        world.make.charger("CP-3"),
        world.make.connected("CP-3"),
        ChargerDisconnected(charger_id="CP-3", epoch=1, bridge="b", since="2026-03-01T12:00:00Z", why="lost"),
    )
    await restarting.succeed()
    under_way = another_restart(world)
    for step in (Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE):
        await under_way.reach(step, charger_id="CP-2")
    context = await desk.context("super_administrator", locale=language, color_scheme=theme, viewport=PHONE)
    page = await desk.tab(context, "/chargers")
    assert await page.locator("html").get_attribute("lang") == language
    paths = ["/chargers", "/chargers?q=nothing", "/chargers/CP-1", "/chargers/CP-2", "/chargers/CP-3", "/restarts"]
    paths += [f"/restarts/{restarting.attempt_id}", f"/restarts/{under_way.attempt_id}", "/groups", "/groups/depot"]
    paths += ["/embed", "/chargers/CP-1/restart", "/chargers/none"]
    for path in paths:
        await page.goto(path)
        if await page.locator("charger-restart").count():
            await expect(page.get_by_test_id("restart-icon")).not_to_have_attribute("data-kind", "unknown")
        await checked(page, path)
        await fits(page, path)
    await page.goto("/chargers/CP-1")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "available")
    await page.get_by_test_id("restart-icon").click()
    await page.locator("details.options summary").click()
    await checked(page, "the dialog")
    await fits(page, "the dialog")
    dialog = await page.get_by_test_id("restart-dialog").evaluate("(it) => it.scrollWidth - it.clientWidth")
    assert dialog <= 0
    nobody = await desk.context(None, locale=language, color_scheme=theme, viewport=PHONE)
    page = await desk.tab(nobody, "/login")
    await checked(page, "/login")
    await fits(page, "/login")


async def test_every_state_of_the_icon_passes_axe_and_is_told_by_shape_not_only_by_colour(desk, restarting):
    page = await desk.page()
    icon = page.get_by_test_id("restart-icon")
    shapes = set()
    for kind in ("available", "restarting", "unknown"):
        if kind == "restarting":
            await restarting.reach(Step.REQUESTED)
        if kind == "unknown":
            await desk.line.cut()
        await expect(icon).to_have_attribute("data-kind", kind)
        await checked(page, kind)
        shapes.add(await icon.locator("svg").inner_html())
    assert len(shapes) == 3


@pytest.mark.parametrize("option", [{"forced_colors": "active"}, {"reduced_motion": "reduce"}])
async def test_it_can_be_used_with_forced_colours_and_without_motion(desk, option):
    page = await desk.page(**option)
    await page.get_by_test_id("restart-icon").click()
    await expect(page.get_by_test_id("restart-dialog")).to_be_visible()
    await checked(page, str(option))


async def test_what_a_screen_reader_is_told(desk, restarting):
    page = await desk.page()
    await expect(page.locator("main")).to_match_aria_snapshot("""
      - main:
        - heading "Charger CP-1" [level=1]
        - button "Restart available"
        - heading "Connectors" [level=2]
        - heading "Identity" [level=2]
        - heading "Last restarts" [level=2]
    """)
    await page.get_by_test_id("restart-icon").click()
    await expect(page.get_by_test_id("restart-dialog")).to_match_aria_snapshot("""
      - dialog "CHARGER RESTART":
        - heading "CHARGER RESTART" [level=2]
        - button "Cancel"
        - button "OKAY"
    """)
    await page.keyboard.press("Escape")
    await restarting.through(Step.REQUESTED, Step.SENT, Step.ACCEPTED)
    await expect(page.get_by_test_id("story")).to_match_aria_snapshot("""
      - heading "Restart under way" [level=2]
      - list:
        - listitem: /Requested \\(done\\)/
        - listitem: /Sent to the charger \\(done\\)/
        - listitem: /The charger accepted \\(done\\)/
        - listitem: /Going down \\(under way\\)/
        - listitem: Coming back (not yet)
        - listitem: Healthy again (not yet)
    """)
