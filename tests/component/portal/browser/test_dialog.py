"""The dialog CHARGER RESTART: what closes it sends nothing, and what is sent is sent once."""

import asyncio

import pytest
from playwright.async_api import expect

from chassis.testing import eventually
from contracts.ocpp import ChargerDisconnected, FirmwareStatusReported, TransactionStarted, TransactionUpdated
from contracts.restart import When
from contracts.words import Plan


def posts(page):
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    return sent


async def opened(page):
    await page.get_by_test_id("restart-icon").click()
    dialog = page.get_by_test_id("restart-dialog")
    await expect(dialog).to_be_visible()
    return dialog


async def has_focus(page, name):
    """Waits until this has the focus."""

    async def it_has() -> None:
        assert await focused(page) == name

    await eventually(it_has)


async def focused(page):
    """What has the focus, inside the component's own tree."""
    return await page.evaluate(
        "() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;"
        " return at?.dataset.testid || at?.id || at?.tagName; }"
    )


@pytest.mark.parametrize("way", ["outside", "escape", "cancel", "back"])
async def test_whatever_closes_it_sends_nothing_and_gives_the_focus_back(desk, way):
    page = await desk.page("/chargers")
    await page.get_by_role("link", name="Charger CP-1").click()
    sent = posts(page)
    dialog = await opened(page)
    match way:
        case "outside":
            await page.mouse.click(5, 300)
        case "escape":
            await page.keyboard.press("Escape")
        case "cancel":
            await page.get_by_test_id("dialog-cancel").click()
        case "back":
            await page.go_back()
            await page.wait_for_url("**/chargers")
            assert sent == []
            return
    await expect(dialog).to_be_hidden()
    await has_focus(page, "restart-icon")
    assert sent == []


async def test_a_press_before_the_state_is_known_opens_it_as_soon_as_it_is(desk):
    page = await desk.page("/chargers")
    known = asyncio.Event()

    async def later(route):
        await known.wait()
        await route.continue_()

    await page.route("**/api/v1/chargers/CP-1", later)
    await page.evaluate(
        "() => { const element = document.createElement('charger-restart'); element.setAttribute('charger-id', 'CP-1');"
        " document.body.prepend(element); }"
    )
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "unknown")
    await page.get_by_test_id("restart-icon").click()
    await expect(page.get_by_test_id("restart-dialog")).to_be_hidden()
    known.set()
    await expect(page.get_by_test_id("restart-dialog")).to_be_visible()


async def test_a_press_during_which_the_icon_is_drawn_again_is_not_lost(desk):
    page = await desk.page()
    await page.get_by_test_id("restart-icon").hover()
    await page.mouse.down()
    await page.evaluate("() => document.querySelector('charger-restart').refresh()")
    await page.mouse.up()
    await expect(page.get_by_test_id("restart-dialog")).to_be_visible()


async def test_a_drag_from_inside_to_outside_does_not_cancel(desk):
    page = await desk.page()
    dialog = await opened(page)
    box = await dialog.bounding_box()
    await page.mouse.move(box["x"] + 40, box["y"] + 60)
    await page.mouse.down()
    await page.mouse.move(5, 300, steps=4)
    await page.mouse.up()
    await expect(dialog).to_be_visible()


async def test_enter_held_on_the_icon_sends_nothing(desk):
    page = await desk.page()
    sent = posts(page)
    await page.get_by_test_id("restart-icon").focus()
    for _ in range(8):
        await page.keyboard.down("Enter")
    await page.keyboard.up("Enter")
    await expect(page.get_by_test_id("restart-dialog")).to_be_visible()
    await has_focus(page, "dialog-title")
    assert sent == []


async def test_the_whole_flow_by_keyboard(desk, world):
    page = await desk.page()
    icon = page.get_by_test_id("restart-icon")
    await icon.focus()
    await expect(page.get_by_test_id("restart-tooltip")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("restart-tooltip")).to_be_hidden()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("restart-dialog")).to_be_visible()
    seen = []
    for _ in range(3):
        await page.keyboard.press("Tab")
        seen.append(await focused(page))
    assert seen == ["SUMMARY", "dialog-cancel", "dialog-ok"]
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("restart-dialog")).to_be_hidden()
    await has_focus(page, "H2")
    assert len(world.publisher.messages) == 1


async def test_double_click_and_enter_twice_ask_once(desk, world):
    page = await desk.page()
    await opened(page)
    await page.get_by_test_id("dialog-ok").dblclick()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("restart-dialog")).to_be_hidden()
    assert len({message.attempt_id for message in world.publisher.messages}) == 1


async def test_two_tabs_are_one_attempt(desk, world, restarting):
    context = await desk.context()
    first, second = await desk.tab(context, "/chargers/CP-1"), await desk.tab(context, "/chargers/CP-1")
    for page in (first, second):
        await opened(page)
    await first.get_by_test_id("dialog-ok").click()
    await restarting.asked()
    await restarting.reach("requested")
    await expect(second.get_by_test_id("restart-dialog")).to_contain_text("No longer available:")
    await expect(second.get_by_test_id("restart-dialog")).to_contain_text("A restart is under way")
    await expect(second.get_by_test_id("dialog-ok")).to_have_attribute("aria-disabled", "true")
    await second.get_by_test_id("dialog-ok").click(force=True)
    await second.get_by_test_id("dialog-cancel").click()
    await expect(second.get_by_test_id("step-requested")).to_be_visible()
    assert len({message.attempt_id for message in world.publisher.messages}) == 1


async def test_a_reply_that_is_cut_is_said_and_trying_again_is_the_same_attempt(desk, world):
    page = await desk.page()
    dialog = await opened(page)
    world.publisher.down = True
    await page.get_by_test_id("dialog-ok").click()
    await expect(dialog).to_contain_text("We don't know if the request was received")
    world.publisher.down = False
    await expect(page.get_by_test_id("dialog-ok")).to_have_text("Try again")
    await world.say(TransactionStarted(charger_id="CP-1", epoch=1, evse_id=1, connector_id=1, transaction_id="7"))
    await expect(dialog).to_contain_text("This stops the charging on connector 1")
    await expect(dialog.locator("[name=type][value=hard]")).to_be_disabled()
    await page.route("**/restarts", answered_and_cut)
    async with page.expect_event("requestfailed"):
        await page.get_by_test_id("dialog-ok").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("We don't know if the request was received")
    await page.unroute("**/restarts")
    await page.get_by_test_id("dialog-ok").click()
    await expect(dialog).to_be_hidden()
    asked = [(message.attempt_id, message.strength, message.interrupt_charging) for message in world.publisher.messages]
    assert len(asked) == 2
    assert asked[0] == asked[1], "what is sent again is what was sent, whatever has changed in between"


async def answered_and_cut(route):
    await route.fetch()
    await route.abort()


async def test_what_blocks_while_it_is_open_is_read_inside_and_okay_is_dead(desk, world):
    page = await desk.page()
    sent = posts(page)
    dialog = await opened(page)
    await world.say(world.make.plan(to=Plan.BASIC, version=2))
    await expect(page.get_by_test_id("dialog-ok")).to_have_attribute("aria-disabled", "true")
    await expect(dialog.get_by_role("status")).to_contain_text("Depot has the Basic plan")
    await page.get_by_test_id("dialog-ok").click(force=True)
    await page.get_by_test_id("dialog-ok").focus()
    await page.keyboard.press("Enter")
    await expect(dialog).to_be_visible()
    assert sent == []
    await world.say(world.make.plan(version=3))
    await expect(page.get_by_test_id("dialog-ok")).to_have_attribute("aria-disabled", "false")


async def test_a_running_transaction_is_named_with_its_energy_and_time_and_the_reader_may_wait_for_it(desk, world):
    started = TransactionStarted(
        charger_id="CP-1", epoch=1, evse_id=1, connector_id=1, transaction_id="7", meter_wh=1000
    )
    metered = TransactionUpdated(charger_id="CP-1", epoch=1, evse_id=1, transaction_id="7", meter_wh=5250)
    await world.say(started, metered)
    page = await desk.page()
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "blocked")
    await page.get_by_test_id("restart-options").click()
    dialog = page.get_by_test_id("restart-dialog")
    await expect(dialog.get_by_label("When it is free")).to_be_checked()  # What stops nobody is what is proposed.
    await expect(dialog).to_contain_text("It waits until the charging ends on connector 1; 4.25 kWh so far, since")
    await dialog.get_by_label("Now", exact=False).first.check()
    await expect(dialog).to_contain_text("This stops the charging on connector 1, 4.25 kWh so far, since")
    await expect(dialog).to_contain_text("The restart is sent at once and stops the charging.")
    await dialog.get_by_label("When it is free").check()
    await expect(dialog).not_to_contain_text("This stops the charging")
    await page.get_by_test_id("dialog-ok").click()
    await expect(dialog).to_be_hidden()
    assert world.publisher.messages[-1].when is When.IDLE


async def test_an_offline_charger_offers_when_it_is_back_only(desk, world):
    await world.say(
        ChargerDisconnected(charger_id="CP-1", epoch=1, bridge="b", since="2026-03-01T12:00:00Z", why="lost")
    )
    page = await desk.page()
    await expect(page.get_by_test_id("restart-reasons")).to_contain_text("It must be online")
    await page.get_by_test_id("restart-options").click()
    dialog = page.get_by_test_id("restart-dialog")
    await expect(dialog.get_by_label("Now", exact=False).first).to_be_disabled()
    await expect(dialog.get_by_label("When it is back")).to_be_checked()
    await expect(dialog).to_contain_text("Nothing is sent until the charger is connected again.")
    await expect(dialog).not_to_contain_text("No vehicle is charging")
    await page.get_by_test_id("dialog-ok").click()
    await expect(dialog).to_be_hidden()
    assert world.publisher.messages[-1].when is When.ONLINE


async def test_an_expired_login_in_the_middle_leads_to_signing_in_and_back(desk):
    page = await desk.page()
    dialog = await opened(page)
    await page.context.clear_cookies()
    await page.get_by_test_id("dialog-ok").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Your session has ended")
    link = dialog.get_by_role("link", name="Sign in again")
    assert await link.get_attribute("href") == "/login?next=%2Fchargers%2FCP-1"


async def test_a_firmware_update_has_its_own_reason(desk, world):
    await world.say(FirmwareStatusReported(charger_id="CP-1", epoch=1, status="Installing", updating=True))
    page = await desk.page()
    await expect(page.get_by_test_id("restart-reasons")).to_contain_text("Updating its firmware")
    await expect(page.get_by_test_id("restart-options")).to_be_hidden()
