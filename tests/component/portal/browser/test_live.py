"""The live stream in the browser: it recovers by itself, and what is stale is never shown as live."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect
from sqlalchemy import text

from chassis.testing import eventually
from contracts.auth import MembershipEnded
from contracts.restart import Step


async def state(page, word, **options):
    await expect(page.locator("body")).to_have_attribute("data-live", word, **options)


async def test_a_cut_line_is_said_the_icon_is_unsure_and_nothing_is_missed_or_told_twice(desk, restarting):
    page = await desk.page()
    await page.evaluate(
        "() => { window.heard = []; addEventListener('restart-progress', (event) => window.heard.push(event.detail.step)); }"
    )
    await restarting.through(Step.REQUESTED, Step.SENT)
    await expect(page.get_by_test_id("step-sent")).to_have_attribute("data-mark", "done")
    await desk.line.cut()
    await state(page, "stale")
    await expect(page.locator("#banner")).to_contain_text("Live updates stopped at")
    icon = page.get_by_test_id("restart-icon")
    await expect(icon).to_have_attribute("data-kind", "unknown")
    await restarting.through(Step.ACCEPTED, Step.GONE)
    await desk.line.open()
    await state(page, "live")
    await expect(page.get_by_test_id("step-gone")).to_have_attribute("data-mark", "done")
    await expect(page.locator("#banner")).to_contain_text("Live again.")
    await expect(icon).to_have_attribute("data-kind", "restarting")
    assert await page.evaluate("window.heard") == ["requested", "sent", "accepted", "gone"]


async def test_a_line_that_falls_silent_is_noticed_though_nothing_was_closed(desk):
    page = await desk.page()
    desk.line.stall()
    await state(page, "stale")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "unknown")
    desk.line.heal()
    await state(page, "live")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "available")


async def test_a_gateway_that_answers_502_is_tried_again(desk):
    page = await desk.page()
    await desk.line.answer("502 Bad Gateway")
    await state(page, "stale")
    desk.line.heal()
    await state(page, "live")


async def test_a_session_that_ended_is_said_and_is_not_tried_again(desk):
    page = await desk.page()
    await page.context.clear_cookies()
    await desk.line.answer("401 Unauthorized")
    await state(page, "ended")
    await expect(page.locator("#banner")).to_contain_text("Your session has ended.")
    link = page.locator("#banner").get_by_role("link", name="Sign in again")
    assert await link.get_attribute("href") == "/login?next=%2Fchargers%2FCP-1"
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "unknown")
    await expect(page.get_by_role("heading", name="Charger CP-1")).to_be_visible()
    before = desk.line.accepted
    await page.wait_for_timeout(1500)
    assert desk.line.accepted == before


async def test_a_cursor_that_is_too_old_reads_the_state_again(desk, world, restarting):
    page = await desk.page()
    await desk.line.cut()
    await state(page, "stale")
    await restarting.through(Step.REQUESTED, Step.SENT, Step.ACCEPTED)
    async with world.database.begin() as session:
        await session.execute(text("delete from feed where cursor < (select max(cursor) from feed)"))
    await desk.line.open()
    await state(page, "live")
    await expect(page.get_by_test_id("step-accepted")).to_have_attribute("data-mark", "done")


@pytest.fixture
def patient_server(monkeypatch):
    """A stop that something holds up takes a minute, which no loaded machine is taken for."""
    monkeypatch.setattr("chassis.server.GRACE_S", 60)


@pytest.mark.usefixtures("patient_server")
async def test_the_server_restarted_with_streams_open_is_back_on_every_page_by_itself(
    new_database, portal_running, settings, browser, another_restart
):
    database = await new_database("portal")
    async with portal_running(database, settings) as world:
        await world.seed()
        port = int(world.url.rpartition(":")[2])
        context = await browser.new_context(base_url=world.url)
        cookie = {"name": "comeback_session", "value": world.token("administrator"), "url": world.url}
        await context.add_cookies([cookie])
        page = await context.new_page()
        await page.goto("/chargers/CP-1")
        await state(page, "live")
        stopping = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stopping < 30, "an open stream must not hold up the stop"
    await state(page, "stale")
    async with portal_running(database, settings, None, port) as world:
        await another_restart(world).through(Step.REQUESTED, Step.SENT)
        await state(page, "live", timeout=60_000)
        await expect(page.get_by_test_id("step-sent")).to_have_attribute("data-mark", "done")
        await context.close()


async def test_eight_tabs_are_all_live_over_one_connection(desk, restarting):
    context = await desk.context()
    tabs = [await desk.tab(context, "/chargers/CP-1") for _ in range(8)]
    assert desk.line.streams == 1
    await restarting.through(Step.REQUESTED, Step.SENT)
    for page in tabs:
        await expect(page.get_by_test_id("step-sent")).to_have_attribute("data-mark", "done")
    assert desk.line.streams == 1


async def test_without_a_shared_worker_only_the_tab_that_is_seen_holds_a_stream(desk, restarting):
    context = await desk.context()
    await context.add_init_script("delete window.SharedWorker")
    page = await desk.tab(context, "/chargers/CP-1")
    await restarting.through(Step.REQUESTED, Step.SENT)
    await expect(page.get_by_test_id("step-sent")).to_have_attribute("data-mark", "done")
    await page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    await eventually(lambda: no_streams(desk))
    await restarting.through(Step.ACCEPTED)
    await page.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }")
    await expect(page.get_by_test_id("step-accepted")).to_have_attribute("data-mark", "done")


def no_streams(desk):
    assert desk.world.context.hub.streams == 0


async def test_the_last_tab_to_close_closes_the_stream(desk, world):
    context = await desk.context()
    first, second = [await desk.tab(context, path) for path in ("/chargers", "/chargers/CP-1")]
    await first.close(run_before_unload=False)
    await second.goto("about:blank")
    await eventually(lambda: no_streams(desk))


async def test_paused_by_the_reader_nothing_is_shown_as_live_until_resumed(desk, restarting):
    page = await desk.page()
    await page.get_by_test_id("live-pause").click()
    await state(page, "paused")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "unknown")
    await restarting.through(Step.REQUESTED, Step.SENT)
    await expect(page.get_by_test_id("step-sent")).to_have_count(0)
    await page.get_by_test_id("live-pause").click()
    await state(page, "live")
    await expect(page.get_by_test_id("step-sent")).to_have_attribute("data-mark", "done")


async def test_a_browser_that_is_offline_says_so(desk):
    page = await desk.page()
    await page.context.set_offline(True)
    await desk.line.cut()
    await state(page, "stale")
    await expect(page.locator("#banner")).to_contain_text("You are offline.")
    await desk.line.open()
    await page.context.set_offline(False)
    await state(page, "live")


@pytest.mark.parametrize("step", [Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE, Step.BACK, Step.HEALTHY])
async def test_a_reload_at_each_step_shows_what_was_shown_live(desk, restarting, step):
    page = await desk.page()
    if step is Step.HEALTHY:
        await restarting.succeed()
    else:
        await restarting.through(*[each for each in Step if each in reached(step)])
    await expect(page.get_by_test_id(f"step-{step}")).to_have_attribute("data-mark", "done")
    shown = await drawn(page)
    await page.reload()
    await expect(page.get_by_test_id(f"step-{step}")).to_have_attribute("data-mark", "done")
    assert await drawn(page) == shown


def reached(step):
    order = [Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE, Step.BACK]
    return order[: order.index(step) + 1]


async def drawn(page):
    return await page.locator(".story :is(.timeline, .verdict, .evidence)").all_inner_texts()


async def test_a_countdown_by_a_wrong_clock_is_right(desk, restarting):
    context = await desk.context()
    await context.add_init_script("const real = Date.now; Date.now = () => real() + 3600_000;")
    page = await desk.tab(context, "/chargers/CP-1")
    await restarting.through(Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE)
    await expect(page.get_by_test_id("wait")).to_contain_text("Usually back in 1 min")


async def test_the_countdown_turns_amber_when_it_is_late(desk, world, another_restart):
    long_ago = another_restart(world, started=datetime.now(UTC) - timedelta(seconds=120))
    for place, step in enumerate((Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE)):
        await long_ago.reach(step, after=place)
    page = await desk.page()
    wait = page.get_by_test_id("wait")
    await expect(wait).to_contain_text("Longer than usual; 95 % are back within 3 min.")
    await expect(wait).to_have_attribute("data-mood", "late")
    longer_ago = another_restart(world, started=datetime.now(UTC) - timedelta(seconds=200))
    await world.say(world.make.charger("CP-2"), world.make.connected("CP-2"))
    for place, step in enumerate((Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE)):
        await longer_ago.reach(step, after=place, charger_id="CP-2")
    await page.goto("/chargers/CP-2")
    await expect(wait).to_have_attribute("data-mood", "overdue")
    await expect(wait).to_have_class("wait wait-late")


async def test_the_announcer_says_each_step_once_and_the_countdown_never(desk, restarting):
    page = await desk.page()
    await page.evaluate(
        "() => { window.said = []; new MutationObserver(() => window.said.push(document.getElementById('announcer').textContent))"
        ".observe(document.getElementById('announcer'), { childList: true, characterData: true, subtree: true }); }"
    )
    for step in (Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE, Step.BACK):
        await restarting.reach(step)
        await expect(page.get_by_test_id(f"step-{step}")).to_have_attribute("data-mark", "done")
    await restarting.succeed()
    await expect(page.get_by_test_id("verdict")).to_contain_text("It restarted")
    said = await page.evaluate("window.said")
    assert said[:5] == ["Requested", "Sent to the charger", "The charger accepted", "Gone", "Back: it booted"]
    assert len(said) == 6
    assert said[5].startswith("It restarted: it accepted")


async def test_a_role_that_ended_altogether_takes_the_charger_away(desk, world):
    page = await desk.page()
    await world.say(MembershipEnded(group_id="depot", user_id="administrator"))
    await expect(page.locator(".trouble")).to_contain_text("No such charger, or not in your groups.")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "unknown")


CUT_S = 30
WATCH = """() => {
    const kind = () => document.querySelector("charger-restart").shadowRoot.querySelector(".restart-icon").dataset.kind;
    const done = () => [...document.querySelector("charger-restart").shadowRoot.querySelectorAll('[data-mark="done"]')]
        .map((step) => step.dataset.testid.replace("step-", ""));
    window.heard = [];
    addEventListener("restart-progress", (event) => window.heard.push(event.detail.step));
    window.seen = [];
    const look = () => window.seen.push({ at: performance.now(), live: document.body.dataset.live, kind: kind(), done: done() });
    new MutationObserver(look).observe(document.body, { attributeFilter: ["data-live"] });
    setInterval(look, 100);
}"""


async def test_a_line_cut_for_thirty_seconds_is_never_shown_as_live_and_nothing_is_missed(desk, restarting):
    page = await desk.page()
    await page.evaluate(WATCH)
    await restarting.through(Step.REQUESTED, Step.SENT)
    await expect(page.get_by_test_id("step-sent")).to_have_attribute("data-mark", "done")
    cut_at = await page.evaluate("performance.now()")
    await desk.line.cut()
    await state(page, "stale")
    known = await page.evaluate("performance.now()")
    assert known - cut_at < 12_000, "what is stale is said long before the line is back"
    await restarting.through(Step.ACCEPTED, Step.GONE, Step.BACK)

    async def long_enough() -> None:
        assert await page.evaluate("performance.now()") > cut_at + CUT_S * 1000

    await eventually(long_enough, within=CUT_S + 60)
    await expect(page.locator("#banner")).to_contain_text("Live updates stopped at")
    opened_at = await page.evaluate("performance.now()")
    await desk.line.open()
    await state(page, "live", timeout=90_000)

    await expect(page.get_by_test_id("step-back")).to_have_attribute("data-mark", "done")
    assert await page.evaluate("window.heard") == ["requested", "sent", "accepted", "gone", "back"], "each step, once"
    seen = await page.evaluate("window.seen")
    while_cut = [each for each in seen if known <= each["at"] <= opened_at]
    assert len(while_cut) > CUT_S
    assert {(each["live"], each["kind"]) for each in while_cut} == {("stale", "unknown")}
    as_live = [each for each in seen if each["at"] > known and each["live"] == "live"]
    assert as_live, "it was seen to be live again"
    assert all("back" in each["done"] for each in as_live), "live again only with what was missed"
