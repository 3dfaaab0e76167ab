"""The pages around a restart: list, history, black box, groups, /embed, languages; without a script, and with hostile text."""

import json
import re

import httpx2
import pytest
from playwright.async_api import expect

from chassis.testing import eventually
from contracts.ocpp import ChargerDisconnected
from contracts.restart import EvidenceKind, Step
from contracts.words import Role

HOSTILE = '<img src=x onerror="window.hacked=1">\u202e"\'&lt;'
OFFLINE = ChargerDisconnected(charger_id="CP-2", epoch=1, bridge="b", since="2026-03-01T12:00:00Z", why="lost")


class Services:
    """Stands for auth and billing."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, object]] = []
        self.refuse = False

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content) if request.content else None
        self.seen.append((request.method, str(request.url), body))
        if self.refuse:
            return httpx2.Response(403, json={"detail": "Only super-administrators may do this"})
        return httpx2.Response(200, json={})


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def transport(services: Services) -> httpx2.MockTransport:
    return httpx2.MockTransport(services)


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"auth_url": "http://auth", "billing_url": "http://billing"})


async def fleet(world):
    await world.say(
        world.make.charger("CP-2", model="Pulsar Plus", site="Roof"), world.make.connected("CP-2"), OFFLINE,
        world.make.charger("CP-3", label="Zulu"), world.make.connected("CP-3"),
    )  # fmt: skip


async def shown(page, *charger_ids):
    """Waits until these chargers are listed, in this order, and no others."""

    async def listed() -> None:
        rows = await page.get_by_test_id("charger-row").evaluate_all("rows => rows.map((row) => row.dataset.charger)")
        assert rows == list(charger_ids)

    await eventually(listed)


async def submitted(page, button):
    """Presses a button of a form, and waits for the page that comes of it: it may have the same address."""
    async with page.expect_navigation():
        await button.click()


async def test_the_list_is_searched_filtered_and_sorted_and_its_address_is_the_state(desk, world):
    await fleet(world)
    page = await desk.page("/chargers")
    await shown(page, "CP-2", "CP-1", "CP-3")  # what needs attention stands first
    await page.get_by_label("Search").fill("zulu")
    await page.get_by_test_id("apply").click()
    await expect(page).to_have_url(re.compile("q=zulu"))
    await shown(page, "CP-3")
    await page.goto("/chargers?state=offline")
    await shown(page, "CP-2")
    await expect(page.get_by_label("State")).to_have_value("offline")
    await page.goto("/chargers?attention=1")
    await shown(page, "CP-2")
    await page.goto("/chargers?model=Terra&sort=label")
    await shown(page, "CP-1", "CP-3")
    await page.goto("/chargers?q=nothing-like-it")
    await expect(page.get_by_test_id("empty")).to_contain_text("No charger matches.")
    await page.get_by_role("link", name="Clear filters").click()
    await expect(page.get_by_test_id("charger-row")).to_have_count(3)


async def test_fifty_a_page_and_on_from_there(desk, world):
    for number in range(10, 65):
        await world.say(world.make.charger(f"N-{number}"))
    page = await desk.page("/chargers?sort=label")
    await expect(page.get_by_test_id("charger-row")).to_have_count(50)
    await page.get_by_test_id("next-page").click()
    await expect(page.get_by_test_id("charger-row")).to_have_count(6)
    await page.get_by_role("link", name="First page").click()
    await expect(page.get_by_test_id("charger-row")).to_have_count(50)


async def test_rows_change_in_place_and_a_new_order_is_offered_not_imposed(desk, world):
    await fleet(world)
    page = await desk.page("/chargers")
    await world.say(
        ChargerDisconnected(charger_id="CP-3", epoch=1, bridge="b", since="2026-03-01T12:00:00Z", why="lost")
    )
    row = page.locator('[data-charger="CP-3"]')
    await expect(row.get_by_test_id("charger-state")).to_have_attribute("data-state", "offline")
    await shown(page, "CP-2", "CP-1", "CP-3")
    await page.get_by_test_id("changes").click()
    await expect(page.get_by_test_id("charger-row").nth(2)).to_have_attribute("data-charger", "CP-1")


async def test_nothing_yet_is_said_otherwise_than_nothing_found(desk, world):
    await world.say(world.make.member("newcomer", "empty", Role.USER))
    page = await desk.page("/chargers", user="newcomer")
    await expect(page.get_by_test_id("empty")).to_contain_text("No chargers yet.")
    await expect(page.get_by_role("search")).to_have_count(0)  # There is nothing to search in.
    await page.goto("/restarts")
    await expect(page.get_by_test_id("empty")).to_contain_text("No restarts yet.")
    await page.goto("/restarts?mine=1")
    await expect(page.get_by_test_id("empty")).to_contain_text("No restart matches.")


async def test_the_history_of_a_charger_of_a_group_and_of_mine(desk, world, restarting, another_restart):
    await restarting.succeed()
    theirs = another_restart(world, by="super_administrator")
    await theirs.reach(Step.REQUESTED)
    page = await desk.page("/restarts?charger=CP-1")
    rows = page.get_by_test_id("restart-row")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(0)).to_contain_text("Super_administrator")
    await expect(page.get_by_role("heading", name="Restarts of Charger CP-1")).to_be_visible()
    await expect(page.locator(".crumbs").get_by_role("link", name="Charger CP-1")).to_be_visible()
    await theirs.through(Step.SENT, Step.ACCEPTED)
    await expect(rows.nth(0)).to_contain_text("Waiting for it to go down")
    await page.goto("/restarts?mine=1&group=depot")
    await expect(rows).to_have_count(1)
    await page.goto("/restarts?state=open")
    await expect(rows).to_have_count(1)
    await page.goto("/chargers/CP-1")
    await expect(page.get_by_test_id("history").get_by_role("listitem")).to_have_count(2)


async def test_the_black_box_shows_everything_agrees_with_the_page_and_can_be_taken_away(desk, restarting, observed):
    await restarting.succeed()
    page = await desk.page("/restarts/" + str(restarting.attempt_id))
    verdict = await page.get_by_test_id("verdict").inner_text()
    await expect(page.get_by_test_id("evidence")).to_have_attribute("open", "")
    await expect(page.get_by_test_id("moves").locator("> li")).to_have_count(6)
    frame = page.get_by_test_id("frame")
    await frame.locator("summary").click()
    await expect(frame.locator("pre")).to_have_text('[2,"17","BootNotification",{}]')
    async with page.expect_download() as saving:
        await page.get_by_test_id("export").click()
    saved = json.loads((await (await saving.value).path()).read_text())
    assert saved["attempt"]["verdict"]["verdict"] == "restarted"
    assert [move["version"] for move in saved["moves"]] == [1, 2, 3, 4, 5, 6]
    assert observed(EvidenceKind.BOOT).position == saved["attempt"]["evidence"][0]["position"]
    await page.emulate_media(media="print")
    await expect(page.locator("header.top")).to_be_hidden()
    await expect(page.get_by_test_id("verdict")).to_be_visible()
    await page.emulate_media(media="screen")
    await page.goto("/chargers/CP-1")
    assert verdict.split("\n")[0] in await page.get_by_test_id("verdict").inner_text()


async def test_a_restart_is_followed_to_its_end_in_its_black_box(desk, restarting):
    await restarting.reach(Step.REQUESTED)
    page = await desk.page("/restarts/" + str(restarting.attempt_id))
    await restarting.succeed()
    await expect(page.get_by_test_id("verdict")).to_contain_text("It restarted")


async def test_plan_and_members_are_seen_by_all_and_changed_by_who_may(desk, world, services):
    page = await desk.page("/groups/depot")
    await expect(page.get_by_test_id("plan")).to_contain_text("Business")
    await expect(page.get_by_test_id("member-row")).to_have_count(4)
    await expect(page.get_by_test_id("save-plan")).to_have_count(0)
    await expect(
        page.get_by_text("A super-administrator of the group can change this: Super_administrator.")
    ).to_be_visible()
    page = await desk.page("/groups/depot", user="super_administrator")
    await page.get_by_label("Plan of the group").select_option("basic")
    await submitted(page, page.get_by_test_id("save-plan"))
    await expect(page.get_by_text("Saved. It shows here in a moment.")).to_be_visible()
    await world.say(world.make.plan(to="basic", version=2))
    await expect(page.get_by_test_id("plan")).to_contain_text("Basic")
    row = page.locator('[data-user="user"]')
    await row.get_by_label("Role of User").select_option("administrator")
    await submitted(page, row.get_by_role("button", name="Save"))
    await page.locator('[data-user="user"] summary').click()
    await expect(page.get_by_text("User loses access to the group at once.")).to_be_visible()
    await submitted(page, page.locator('[data-user="user"]').get_by_role("button", name="Remove User"))
    await page.get_by_label("User name").fill("newcomer")
    await submitted(page, page.get_by_test_id("add-member"))
    await expect(page).to_have_url(re.compile(r"/groups/depot\?saved=1$"))
    await expect(page.get_by_text("Saved.")).to_be_visible()
    assert services.seen == [
        ("PUT", "http://billing/api/v1/groups/depot/plan", {"plan": "basic"}),
        ("PUT", "http://auth/api/v1/groups/depot/members/user", {"role": "administrator"}),
        ("DELETE", "http://auth/api/v1/groups/depot/members/user", None),
        ("PUT", "http://auth/api/v1/groups/depot/members/newcomer", {"role": "user"}),
    ]
    services.refuse = True
    await submitted(page, page.get_by_test_id("save-plan"))
    await expect(page.get_by_role("alert")).to_contain_text("Only super-administrators may do this")


async def test_the_documentation_of_the_component_is_a_live_sample_of_it(desk):
    page = await desk.page("/embed")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "available")
    await expect(page.get_by_test_id("heard")).to_contain_text('restart-availability {"available":true,"blockedBy":[]}')


async def test_the_language_is_the_browsers_until_another_is_chosen_and_stays(desk):
    page = await desk.page("/chargers?q=cp", locale="es-ES", timezone_id="Asia/Tokyo")
    await expect(page.get_by_role("heading", name="Cargadores")).to_be_visible()
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", name="Chargers")).to_be_visible()
    await expect(page).to_have_url(re.compile(r"/chargers\?q=cp$"))
    await page.goto("/chargers/CP-1")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "available")
    await page.get_by_test_id("restart-icon").click()
    await expect(page.get_by_test_id("restart-dialog")).to_contain_text("CHARGER RESTART")


async def test_times_are_in_the_readers_zone(desk, restarting):
    await restarting.reach(Step.REQUESTED)
    shown_in = []
    for zone in ("Asia/Tokyo", "America/New_York"):
        page = await desk.page(timezone_id=zone)
        shown_in.append(await page.get_by_test_id("step-requested").locator("time").inner_text())
    assert shown_in[0] != shown_in[1]


@pytest.mark.parametrize("language", ["en", "es"])
async def test_without_a_script_a_restart_works_from_end_to_end(desk, world, restarting, language):
    context = await desk.context(java_script_enabled=False, locale=language)
    page = await context.new_page()
    await page.goto("/chargers/CP-1")
    await page.get_by_role("link", name={"en": "Restart available", "es": "Reinicio disponible"}[language]).click()
    await page.get_by_role("button", name={"en": "OKAY", "es": "ACEPTAR"}[language]).click()
    await page.wait_for_url("**/restarts/*")
    await restarting.asked()
    await restarting.succeed()
    await page.get_by_role("link", name={"en": "Refresh", "es": "Actualizar"}[language]).click()
    await expect(page.get_by_test_id("verdict")).to_contain_text(
        {"en": "It restarted", "es": "Se ha reiniciado"}[language]
    )
    assert len(world.publisher.messages) == 1


async def test_hostile_text_is_inert_and_breaks_no_page(desk, world, restarting, observed):
    long = "x" * 5000
    await world.say(world.make.charger("CP-1", label=HOSTILE, model=HOSTILE, site="\u05d0\u05d1" * 50, version=2))
    await restarting.succeed(new_evidence=(observed(EvidenceKind.REJECTED, params={"info": HOSTILE + long}),))
    context = await desk.context(viewport={"width": 360, "height": 740})
    for path in (
        "/chargers",
        "/chargers/CP-1",
        f"/restarts/{restarting.attempt_id}",
        "/chargers/CP-1/restart",
        "/restarts",
    ):
        page = await desk.tab(context, path)
        assert await page.evaluate("window.hacked") is None
        assert await page.locator("img").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
    page = await desk.tab(context, "/chargers/CP-1")
    await page.get_by_test_id("restart-icon").click()
    assert await page.evaluate("window.hacked") is None
    await expect(page.get_by_role("heading", name="<img src=x")).to_have_count(1)


async def test_an_address_that_is_none_of_ours_is_a_page_in_the_readers_language(desk):
    page = await desk.page("/nowhere", locale="es-ES")
    await expect(page.get_by_role("heading")).to_have_text("Esa página no existe.")


async def test_the_first_view_is_light_and_quick(desk, world):
    for number in range(10, 60):
        await world.say(world.make.charger(f"N-{number}"))
    for path in ("/chargers", "/chargers/CP-1"):

        async def quick(path=path) -> None:
            # A second, and what a machine that is busy with other tests takes even for nothing.
            assert await first_view(desk, path) < 1000 + 5 * await nothing_to_see(desk)

        await eventually(quick, within=60)


async def painted(page):
    """After how many milliseconds something was to be seen."""
    return await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")


async def nothing_to_see(desk):
    """After how many milliseconds a page without anything on it is seen."""
    context = await desk.context()
    page = await context.new_page()
    await page.route("**/empty", lambda route: route.fulfill(content_type="text/html", body="<p>Empty</p>"))
    await page.goto("/empty", wait_until="load")
    await page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    took = await painted(page)
    await context.close()
    return took


async def first_view(desk, path):
    """Opens the page in a fresh browser; returns after how many milliseconds something was to be seen."""
    context = await desk.context()
    page = await context.new_page()
    sizes = []
    page.on("requestfinished", lambda request, sizes=sizes: sizes.append(request))
    await page.goto(path, wait_until="load")
    await expect(page.locator("body")).to_have_attribute("data-live", "live")
    total = 0
    for request in sizes:
        measured = await request.sizes()
        total += measured["responseBodySize"] + measured["responseHeadersSize"]
    took = await painted(page)
    await context.close()  # Its stream is one of the few that a person may have.
    assert total < 150_000, f"{path} weighs {total} bytes"
    return took
