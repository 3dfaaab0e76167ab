"""The page of a group's restart policy, before fleet itself: seen by all, changed by who may, in both languages."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect
from prepared_service import Prepared

import fleet.app
import fleet.settings
from contracts import topics
from contracts.auth import GroupDefined
from contracts.fleet import Escalation
from contracts.words import Role

PATH = "/groups/depot/restart-policy"
PHONE = {"width": 320, "height": 700}


@pytest_asyncio.fixture(loop_scope="session")
async def behind(new_database: Callable[..., Awaitable[str]], make_and_sign: Any) -> AsyncIterator[Prepared]:
    """Fleet, which knows the group and who is what in it."""
    make, _, key = make_and_sign
    async with AsyncExitStack() as stack:
        built = fleet.app.build(fleet.settings.Settings(database_url=await new_database("fleet")))
        prepared = await Prepared.start(built, stack)
        built.keyring.add(key.kid, key.algorithm, key.public_jwk)
        await prepared.hear(topics.AUTH_GROUPS, [GroupDefined(group_id="depot", name="Depot")])
        await prepared.hear(topics.AUTH_MEMBERSHIPS, [make.member(role.value, "depot", role) for role in Role])
        yield prepared


class Way(httpx2.AsyncBaseTransport):
    """The way to fleet, which may be cut."""

    def __init__(self, fleet: Prepared) -> None:
        self._fleet = httpx2.ASGITransport(app=fleet.service.http)
        self.is_cut = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.is_cut:
            raise httpx2.ConnectError("cut")
        return await self._fleet.handle_async_request(request)


@pytest.fixture
def transport(behind: Prepared) -> Way:
    return Way(behind)


@pytest.fixture
def settings(settings: Any) -> Any:
    return settings.model_copy(update={"fleet_url": "http://fleet"})


async def axe_finds_nothing(page: Page) -> None:
    found = await Axe().run(page)
    assert found.response["violations"] == []


async def test_a_super_administrator_allows_a_hard_restart_and_how_often(desk: Any, behind: Prepared) -> None:
    page = await desk.page("/groups/depot", user="super_administrator")
    await page.get_by_role("link", name="Restart policy").click()
    off, harder = page.get_by_label("No hard restart by itself"), page.get_by_label("A hard restart follows")
    await expect(off).to_be_checked()
    await harder.check()
    await page.get_by_label("Hard restarts of one charger in 24 hours, at most").fill("5")
    await page.get_by_test_id("save-policy").click()
    await expect(page.get_by_role("status").filter(has_text="Saved. It holds from now on.")).to_be_visible()
    await expect(harder).to_be_checked()
    (said,) = await behind.said(topics.FLEET_RESTART_POLICIES)
    assert (said.escalation, said.escalations_per_day) == (Escalation.SOFT_THEN_HARD, 5)

    page = await desk.page(PATH, user="administrator")
    await expect(page.get_by_test_id("policy")).to_contain_text("A hard restart follows")
    await expect(page.get_by_test_id("policy")).to_contain_text("at most: 5")


async def test_who_may_not_change_it_sees_it_and_who_could_and_their_form_is_refused(
    desk: Any, behind: Prepared
) -> None:
    page = await desk.page(PATH, user="administrator")
    await expect(page.get_by_test_id("policy")).to_contain_text("No hard restart by itself")
    await expect(
        page.get_by_text("A super-administrator of the group can change this: Super_administrator.")
    ).to_be_visible()
    await expect(page.get_by_test_id("save-policy")).to_have_count(0)
    await page.evaluate(
        """path => {
            const form = Object.assign(document.createElement("form"), { method: "post", action: path });
            for (const [name, value] of [["escalation", "soft_then_hard"], ["per_day", "3"]])
                form.append(Object.assign(document.createElement("input"), { name, value }));
            document.body.append(form);
            form.submit();
        }""",
        PATH,
    )
    await expect(page.get_by_role("alert")).to_contain_text("super-administrator")
    assert await behind.said(topics.FLEET_RESTART_POLICIES) == []


async def test_a_group_of_others_has_no_policy_to_see(desk: Any) -> None:
    page = await desk.page("/groups/hotel/restart-policy")
    await expect(page.get_by_role("heading", name="There is no such page.")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("language", "title"), [("en", "Restart policy"), ("es", "Política de reinicio")])
async def test_axe_finds_nothing_and_it_fits_a_phone_in_both_languages(
    desk: Any, theme: str, language: str, title: str
) -> None:
    for user in ("super_administrator", "user"):
        page = await desk.page(PATH, user=user, locale=language, color_scheme=theme, viewport=PHONE)
        await expect(page.get_by_role("heading", name=title)).to_be_visible()
        await axe_finds_nothing(page)
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


async def test_without_fleet_the_page_says_what_is_missing(desk: Any, transport: Way) -> None:
    transport.is_cut = True
    page = await desk.page(PATH)
    await expect(page.get_by_role("heading", level=1)).to_contain_text("the fleet service can't be reached")
