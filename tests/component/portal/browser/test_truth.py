"""Nothing is said that is not so: of a restart that waits, of one that is back, of one that is not sure; in lists too."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from contracts.ocpp import ChargerDisconnected, TransactionStarted
from contracts.restart import Cause, Confidence, Outcome, Status, Step, Verdict, When

OFFLINE = ChargerDisconnected(charger_id="CP-1", epoch=1, bridge="b", since="2026-03-01T12:00:00Z", why="lost")
CHARGING = TransactionStarted(charger_id="CP-1", epoch=1, evse_id=1, connector_id=1, transaction_id="7")
BROWSERS = {"with a script": {}, "without": {"java_script_enabled": False}}


def ago(seconds):
    return datetime.now(UTC) - timedelta(seconds=seconds)


@pytest.fixture(params=BROWSERS.values(), ids=BROWSERS)
def options(request):
    return request.param


@pytest.mark.parametrize("wait", [(OFFLINE, Status.QUEUED, When.ONLINE), (CHARGING, Status.AWAITING_IDLE, When.IDLE)])
async def test_a_restart_that_waits_is_not_said_to_be_under_way(desk, restarting, options, wait):
    before, status, when = wait
    await desk.world.say(before)
    await restarting.say(status, when=when, steps={Step.REQUESTED: restarting.requested_at})
    page = await quiet(desk, "/chargers/CP-1", options)
    await expect(page.get_by_role("heading", name="Restart waiting")).to_be_visible()
    await expect(page.get_by_test_id("restart-reasons")).to_contain_text("A restart is waiting, requested")
    await expect(page.locator("main")).not_to_contain_text("under way,")
    await expect(page.locator("main")).not_to_contain_text("Restarting")
    await expect(page.locator('[aria-current="step"]')).to_have_count(1)
    page = await quiet(desk, "/chargers", options)
    await expect(page.get_by_test_id("charger-row")).to_contain_text("Restart waiting")


async def test_a_charger_that_scheduled_its_restart_is_not_late_while_it_waits_to_be_free(desk, another_restart):
    long_ago = another_restart(desk.world, started=ago(3600))
    for place, step in enumerate((Step.REQUESTED, Step.SENT, Step.ACCEPTED)):
        await long_ago.reach(step, after=place)
    await long_ago.say(Status.AWAITING_IDLE)
    page = await desk.page()
    await expect(page.get_by_test_id("wait")).to_have_attribute("data-mood", "unknown")
    await expect(page.get_by_test_id("wait")).not_to_contain_text("95 %")


async def test_a_charger_that_is_back_is_not_said_to_be_late(desk, another_restart, options):
    back = another_restart(desk.world, started=ago(260))
    for place, step in enumerate((Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE)):
        await back.reach(step, after=place)
    await back.reach(Step.BACK, after=250)
    page = await quiet(desk, "/chargers/CP-1", options)
    await expect(page.locator(".wait")).to_contain_text("It is back. Now we watch whether it stays healthy.")
    await expect(page.locator(".wait-late")).to_have_count(0)
    await expect(page.locator("main")).not_to_contain_text("95 %")


async def test_lists_say_how_sure_a_result_is_and_why_it_did_not_restart(desk, world, another_restart, options):
    ends = {
        "CP-1": (Verdict(outcome=Outcome.RESTARTED, confidence=Confidence.LOW), "Perhaps restarted"),
        "CP-2": (Verdict(outcome=Outcome.RESTARTED, confidence=Confidence.MEDIUM), "Very probably restarted"),
        "CP-3": (
            Verdict(outcome=Outcome.NOT_RESTARTED, cause=Cause.IGNORED, confidence=Confidence.HIGH),
            "Did not restart (ignored)",
        ),
    }
    attempts = {}
    for charger_id in ends:
        await world.say(world.make.charger(charger_id, version=2), world.make.connected(charger_id))
        attempts[charger_id] = another_restart(world)
        await attempts[charger_id].reach(Step.REQUESTED, charger_id=charger_id)
    live = await quiet(desk, "/restarts", options)
    for charger_id, (verdict, _) in ends.items():
        await attempts[charger_id].say(Status(verdict.outcome.value), charger_id=charger_id, verdict=verdict)
    fresh = await quiet(desk, "/restarts", options)
    chargers = await quiet(desk, "/chargers", options)
    for charger_id, (_, said) in ends.items():
        pages = [fresh, chargers] if options else [live, fresh, chargers]
        for page in pages:
            row = page.get_by_role("row").filter(has_text=charger_id)
            await expect(row.get_by_text(said, exact=True)).to_be_visible()


async def test_who_took_it_back_is_called_by_name(desk, world, restarting):
    await restarting.reach(Step.REQUESTED)
    verdict = Verdict(outcome=Outcome.CANCELLED, confidence=Confidence.PROVEN)
    page = await desk.page()
    await restarting.say(Status.CANCELLED, verdict=verdict, cancelled_by="super_administrator")
    await expect(page.get_by_test_id("verdict")).to_contain_text("Cancelled by Super_administrator at")


@pytest.mark.parametrize(("locale", "shown"), [("en-GB", "1 Mar"), ("en-US", "Mar 1"), ("es-ES", "1 mar")])
async def test_days_and_months_are_in_the_readers_own_order(desk, world, locale, shown):
    await world.say(OFFLINE)
    page = await desk.page("/chargers", locale=locale)
    await expect(page.locator('[data-charger="CP-1"] .since')).to_contain_text(shown)


@pytest.mark.parametrize("width", [360, 640, 767, 768, 1280])
@pytest.mark.parametrize("locale", ["en-GB", "es-ES"])
async def test_no_word_of_the_list_is_broken_and_nothing_is_cut_off(desk, world, another_restart, width, locale):
    for charger_id, model in (("CP-1", "Pulsar Plus"), ("CP-2", "Copper SB")):
        await world.say(world.make.charger(charger_id, model=model, version=3), world.make.connected(charger_id))
    await another_restart(world).reach(Step.REQUESTED)
    verdict = Verdict(outcome=Outcome.RESTARTED, confidence=Confidence.HIGH, health="unhealthy")
    await another_restart(world).say(Status.RESTARTED, charger_id="CP-2", verdict=verdict)
    page = await desk.page("/chargers", viewport={"width": width, "height": 800}, locale=locale)
    broken = await page.evaluate(BROKEN_WORDS)
    assert broken == []
    card = page.locator(".card.flush")
    assert await card.evaluate("(card) => card.scrollWidth - card.clientWidth") <= 0


BROKEN_WORDS = r"""() => {
    const broken = [];
    const texts = document.createTreeWalker(document.querySelector("table.chargers tbody"), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        for (const { 0: word, index } of texts.currentNode.data.matchAll(/[\p{L}.…]+/gu)) {
            const range = document.createRange();
            range.setStart(texts.currentNode, index);
            range.setEnd(texts.currentNode, index + word.length);
            if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) broken.push(word);
        }
    }
    return broken;
}"""


SHIFTS = """() => {
    window.shifted = 0;
    const added = (list) => { for (const each of list.getEntries()) window.shifted += each.value; };
    new PerformanceObserver(added).observe({ type: "layout-shift", buffered: true });
}"""


@pytest.mark.parametrize("width", [360, 1280])
async def test_nothing_jumps_when_the_script_takes_over_from_what_the_server_wrote(desk, restarting, width):
    await restarting.succeed()
    context = await desk.context(viewport={"width": width, "height": 800})
    await context.add_init_script(f"({SHIFTS})()")
    page = await desk.tab(context, "/chargers/CP-1")
    await expect(page.locator("[data-fallback]")).to_have_count(0)
    assert await page.evaluate("window.shifted") < 0.1  # What the web's own measure calls good.


async def quiet(desk, path, options):
    """A page that is there; without a script it never goes live."""
    if not options:
        return await desk.page(path)
    context = await desk.context(**options)
    page = await context.new_page()
    await page.goto(path)
    return page
