"""The restart icon, the dialog, the timeline and the verdict, as someone at the screen meets them."""

import re

from playwright.async_api import expect

from contracts.restart import Step


async def test_a_restart_from_the_icon_to_the_verdict_without_a_reload(desk, restarting):
    page = await desk.page()
    icon = page.get_by_test_id("restart-icon")
    tooltip = page.get_by_test_id("restart-tooltip")
    await expect(icon).to_have_attribute("data-kind", "available")
    await icon.hover()
    await expect(tooltip).to_be_visible()
    await expect(tooltip).to_have_text("Restart available")
    await page.evaluate("window.notReloaded = true")
    await icon.click()
    dialog = page.get_by_test_id("restart-dialog")
    await expect(dialog).to_contain_text("CHARGER RESTART")
    for shown in ("Charger CP-1", "Terra", "Pier 3", "Depot", "Available", "No vehicle is charging"):
        await expect(dialog).to_contain_text(shown)
    await page.get_by_test_id("dialog-ok").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_test_id("charger-state").first).to_have_attribute("data-state", "restarting")
    await expect(icon).to_have_attribute("aria-disabled", "true")
    await restarting.asked()
    waited = {Step.GONE: "Usually back in 1 min", Step.BACK: "It is back. Now we watch whether it stays healthy."}
    for step in (Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE, Step.BACK):
        await restarting.reach(step)
        await expect(page.get_by_test_id(f"step-{step}")).to_have_attribute("data-mark", "done")
        if step in waited:
            await expect(page.get_by_test_id("wait")).to_contain_text(waited[step])
    await restarting.succeed()
    await expect(page.get_by_test_id("verdict")).to_contain_text("It restarted: it accepted, went away and booted")
    await expect(page.get_by_test_id("verdict")).to_contain_text("Certainty: sure")
    await page.get_by_test_id("evidence").locator("summary").click()
    await expect(page.get_by_test_id("evidence")).to_contain_text("ocpp.observations.v1/3/4711")
    await expect(icon).to_have_attribute("data-kind", "available")
    assert await page.evaluate("window.notReloaded")
    order = [await each.get_attribute("data-testid") for each in await page.locator(".step").all()]
    assert order == [f"step-{step}" for step in ("requested", "sent", "accepted", "gone", "back", "healthy")]
    await expect(page).to_have_url(re.compile("/chargers/CP-1$"))
