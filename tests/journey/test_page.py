"""The page in a real browser: log in, find the charger, restart it, watch it, read the verdict."""

import re

import pytest
from chromium_switches import SWITCHES
from playwright.async_api import async_playwright, expect
from running_system import PASSWORD

expect.set_options(timeout=60_000)  # a loaded machine may be late


@pytest.fixture
async def page(chromium, system):
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        context = await browser.new_context(base_url=system.url)
        page = await context.new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
        yield page
        await browser.close()
        assert problems == []


async def log_in(page, user="harbour-admin"):
    await page.goto("/login")
    await page.get_by_label(re.compile("user", re.IGNORECASE)).fill(user)
    await page.get_by_label(re.compile("password", re.IGNORECASE)).fill(PASSWORD)
    await page.get_by_role("button", name=re.compile("sign in|log in", re.IGNORECASE)).click()
    await expect(page).to_have_url(re.compile("/chargers"))


async def test_an_administrator_restarts_a_charger_and_reads_the_verdict(page, system):
    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        await log_in(page)
        await page.goto(f"/chargers?q={charger.identity}")  # other tests have left many
        await page.get_by_role("link", name=f"Bay {charger.identity}").click()
        icon = page.get_by_test_id("restart-icon")
        await icon.hover()
        await expect(page.get_by_test_id("restart-tooltip")).to_contain_text("Restart available")
        booted = page.locator('[data-part="last-boot"] time')
        first_boot = await booted.get_attribute("datetime")
        await icon.click()
        dialog = page.get_by_test_id("restart-dialog")
        await expect(dialog).to_contain_text("CHARGER RESTART")
        await expect(dialog).to_contain_text(charger.identity)
        await page.get_by_test_id("dialog-ok").click()
        await expect(dialog).to_be_hidden()
        for step in ("requested", "sent", "accepted", "gone", "back", "healthy"):
            await expect(page.get_by_test_id(f"step-{step}")).to_be_visible(timeout=60_000)
        await expect(page.get_by_test_id("verdict")).to_contain_text("It restarted", timeout=60_000)
        await expect(booted).not_to_have_attribute("datetime", first_boot or "")
        assert charger.facts.restarts == 1
        assert len(charger.facts.resets) == 1


@pytest.mark.parametrize("way", ["outside", "escape", "cancel"])
async def test_closing_the_modal_sends_nothing(page, system, way):
    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        posts = []
        page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
        await log_in(page)
        posts.clear()
        await page.goto(f"/chargers/{charger.identity}")
        await page.get_by_test_id("restart-icon").click()
        dialog = page.get_by_test_id("restart-dialog")
        await expect(dialog).to_be_visible()
        if way == "outside":
            await page.mouse.click(5, 5)
        elif way == "escape":
            await page.keyboard.press("Escape")
        else:
            await page.get_by_test_id("dialog-cancel").click()
        await expect(dialog).to_be_hidden()
        assert [url for url in posts if "restart" in url] == []
        assert charger.facts.resets == []


async def test_a_blocked_charger_says_why_and_opens_nothing(page, system):
    async with system.charger(model="Pulsar Plus") as charger:
        await log_in(page)
        await page.goto(f"/chargers/{charger.identity}")
        icon = page.get_by_test_id("restart-icon")
        await expect(icon).to_have_attribute("aria-disabled", "true")
        await expect(page.get_by_test_id("restart-reasons")).to_contain_text("Pulsar Plus can't be restarted remotely")
        await icon.hover()
        await expect(page.get_by_test_id("restart-tooltip")).to_contain_text("Restart not available")
        await icon.click(force=True)
        await expect(page.get_by_test_id("restart-dialog")).to_be_hidden()


async def test_a_plan_that_is_toggled_turns_the_icon_grey_without_a_reload(page, system):
    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        await log_in(page)
        await page.goto(f"/chargers/{charger.identity}")
        icon = page.get_by_test_id("restart-icon")
        await expect(icon).not_to_have_attribute("aria-disabled", "true")
        with system.operator() as operator:
            operator.put("/api/v1/groups/harbour/plan", {"plan": "basic"})
        try:
            await expect(icon).to_have_attribute("aria-disabled", "true")
            await expect(page.get_by_test_id("restart-reasons")).to_contain_text("Basic")
        finally:
            with system.operator() as operator:
                operator.put("/api/v1/groups/harbour/plan", {"plan": "business"})
        await expect(icon).not_to_have_attribute("aria-disabled", "true")
