"""Pictures of each state: taken on every run, kept in docs/ when COMEBACK_GALLERY names a folder (`make gallery`)."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from contracts.fleet import ChargerRemoved
from contracts.ocpp import ChargerDisconnected, ConnectorState, TransactionStarted, TransactionUpdated
from contracts.restart import (
    Cause,
    Confidence,
    ConnectorCompared,
    DurationsLearned,
    Expected,
    Outcome,
    Spread,
    Status,
    Step,
    Verdict,
)
from contracts.words import Role

VIEW = {"width": 1000, "height": 800}
PHONE = {"width": 360, "height": 720}
CHARGERS = (
    ("A-01", "Bay 1", "Terra"),
    ("A-02", "Bay 2", "Terra"),
    ("A-03", "Bay 3", "Terra"),
    ("B-01", "Roof 1", "Pulsar Plus"),
    ("B-02", "Roof 2", "Terra"),
)


@pytest.fixture
def gallery(tmp_path) -> Path:
    chosen = os.environ.get("COMEBACK_GALLERY")
    folder = Path(chosen) if chosen else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest_asyncio.fixture(loop_scope="session")
async def depot(world):
    """Five chargers: two free, one that charges, one that is offline, one whose model can't be restarted."""
    await world.say(ChargerRemoved(charger_id="CP-1"))
    for charger_id, label, model in CHARGERS:
        abilities = frozenset() if model == "Pulsar Plus" else frozenset({"remote_restart"})
        await world.say(
            world.make.charger(charger_id, label=label, model=model, site="Harbour", abilities=abilities),
            world.make.connected(charger_id),
            world.make.connector(charger_id),
        )
    await world.say(
        TransactionStarted(charger_id="A-02", epoch=1, evse_id=1, connector_id=1, transaction_id="7", meter_wh=1000),
        TransactionUpdated(charger_id="A-02", epoch=1, evse_id=1, transaction_id="7", meter_wh=9400),
        ChargerDisconnected(
            charger_id="A-03", epoch=1, bridge="b", since=datetime.now(UTC) - timedelta(minutes=9), why="lost"
        ),
    )
    return world


async def known(world):
    """What has been learned of how long a restart takes."""
    expected = Expected(samples=124, basis="model", drop=Spread(p50_s=2, p95_s=5), away=Spread(p50_s=100, p95_s=180))
    await world.say(DurationsLearned(model="Terra", expected=expected, version=1))


async def settled(page):
    await page.evaluate("document.fonts.ready")
    await page.mouse.move(0, 0)


async def test_the_list_the_icon_and_its_reasons(desk, depot, gallery):
    page = await desk.page("/chargers", viewport=VIEW)
    await page.screenshot(path=gallery / "list.png")
    await page.goto("/chargers/A-01")
    icon = page.get_by_test_id("restart-icon")
    await icon.hover()
    await expect(page.get_by_test_id("restart-tooltip")).to_have_css("opacity", "1")
    await page.screenshot(path=gallery / "available.png")
    page = await desk.page("/chargers/B-01", user="user", viewport=VIEW)
    await page.get_by_test_id("restart-icon").focus()
    await expect(page.get_by_test_id("restart-tooltip")).to_have_css("opacity", "1")
    await page.screenshot(path=gallery / "blocked.png")


async def test_the_dialog(desk, depot, gallery):
    await known(depot)
    page = await desk.page("/chargers/A-02", viewport=VIEW)
    await page.get_by_test_id("restart-options").click()
    await expect(page.get_by_test_id("restart-dialog")).to_contain_text("median of 124 restarts of Terra")
    await page.screenshot(path=gallery / "dialog.png")
    page = await desk.page("/chargers/A-03", viewport=PHONE, locale="es-ES", color_scheme="dark")
    await page.get_by_test_id("restart-options").click()
    await page.screenshot(path=gallery / "dialog-phone-es.png")


async def test_the_timeline_on_time_and_late(desk, depot, another_restart, gallery):
    page = await desk.page("/chargers/A-01", viewport=VIEW)
    for name, seconds in (("timeline", 40), ("late", 230)):
        attempt = another_restart(depot, started=datetime.now(UTC) - timedelta(seconds=seconds))
        for place, step in enumerate((Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE)):
            await attempt.reach(step, after=place, charger_id="A-01" if name == "timeline" else "B-02")
        if name == "late":
            await page.goto("/chargers/B-02")
        await expect(page.get_by_test_id("step-gone")).to_have_attribute("data-mark", "done")
        await expect(page.get_by_test_id("wait")).to_have_attribute(
            "data-mood", "usual" if name == "timeline" else "overdue"
        )
        await settled(page)
        await page.screenshot(path=gallery / f"{name}.png")


async def test_the_verdicts(desk, depot, another_restart, gallery):
    good = another_restart(depot, started=datetime.now(UTC) - timedelta(seconds=120))
    for place, step in enumerate((Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE)):
        await good.reach(step, after=place, charger_id="A-01")
    await good.reach(Step.BACK, after=98, charger_id="A-01")
    free = ConnectorState.AVAILABLE
    as_before = ConnectorCompared(evse_id=1, connector_id=1, before=free, since=free)
    await good.succeed(charger_id="A-01", connectors=(as_before,))
    page = await desk.page("/chargers/A-01", viewport=VIEW)
    await page.get_by_test_id("evidence").locator("summary").click()
    await page.evaluate("scrollTo(0, 0)")
    await settled(page)
    await page.screenshot(path=gallery / "restarted.png")
    lost = another_restart(depot, started=datetime.now(UTC) - timedelta(minutes=12))
    for place, step in enumerate((Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE)):
        await lost.reach(step, after=place, charger_id="A-03")
    verdict = Verdict(outcome=Outcome.LOST, confidence=Confidence.HIGH)
    await lost.say(Status.LOST, charger_id="A-03", verdict=verdict, moved_at=datetime.now(UTC))
    ignored = another_restart(depot, started=datetime.now(UTC) - timedelta(minutes=5))
    for place, step in enumerate((Step.REQUESTED, Step.SENT, Step.ACCEPTED)):
        await ignored.reach(step, after=place, charger_id="A-02")
    verdict = Verdict(outcome=Outcome.NOT_RESTARTED, cause=Cause.IGNORED, confidence=Confidence.HIGH)
    await ignored.say(Status.NOT_RESTARTED, charger_id="A-02", verdict=verdict)
    for name, charger_id in (("lost", "A-03"), ("ignored", "A-02")):
        await page.goto(f"/chargers/{charger_id}")
        await expect(page.get_by_test_id("verdict")).to_be_visible()
        await page.screenshot(path=gallery / f"{name}.png")
    await page.goto(f"/restarts/{good.attempt_id}")
    await page.screenshot(path=gallery / "black-box.png")
    await page.goto("/restarts")
    await page.screenshot(path=gallery / "history.png")


async def test_the_states_of_the_line_and_of_nothing(desk, depot, gallery):
    newcomer = depot.make.member("newcomer", "empty", Role.USER)
    await depot.say(newcomer)
    page = await desk.page("/chargers", user="newcomer", viewport=VIEW)
    await page.screenshot(path=gallery / "empty.png")
    page = await desk.page("/groups/depot", user="super_administrator", viewport=VIEW)
    await page.screenshot(path=gallery / "group.png")
    await page.goto("/embed?charger=A-01")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "available")
    await page.screenshot(path=gallery / "embed.png")
    page = await desk.page("/chargers/A-01", viewport=VIEW, forced_colors="active")
    await page.screenshot(path=gallery / "forced-colors.png")
    page = await desk.page("/chargers/A-01", viewport=VIEW, color_scheme="dark")
    await desk.line.cut()
    await expect(page.locator("body")).to_have_attribute("data-live", "stale")
    await page.screenshot(path=gallery / "not-live-dark.png")
