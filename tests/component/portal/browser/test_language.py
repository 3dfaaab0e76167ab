"""The language that somebody chose is kept with their account, by auth itself, and follows them to another browser."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from prepared_service import Prepared
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

import auth.app
import auth.settings
from auth.passwords import Passwords
from chassis.testing.outbox import outbox_messages
from contracts import topics

PASSWORD = "the operator's own"
CHEAP = Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))


class Way(httpx2.AsyncBaseTransport):
    """The way to auth, which may be cut."""

    def __init__(self, behind: Prepared) -> None:
        self._auth = httpx2.ASGITransport(app=behind.service.http)
        self.is_cut = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.is_cut:
            raise httpx2.ConnectError("cut")
        return await self._auth.handle_async_request(request)


@pytest_asyncio.fixture(loop_scope="session")
async def behind(new_database: Callable[..., Awaitable[str]]) -> AsyncIterator[Prepared]:
    async with AsyncExitStack() as stack:
        told = auth.settings.Settings(database_url=await new_database("auth"), operator_password=PASSWORD)
        yield await Prepared.start(auth.app.build(told, passwords=CHEAP), stack)


@pytest.fixture
def transport(behind: Prepared) -> Way:
    return Way(behind)


@pytest.fixture
def settings(settings: Any) -> Any:
    return settings.model_copy(update={"auth_url": "http://auth"})


async def signed_in(desk: Any, behind: Prepared, **options: Any) -> Page:
    """The platform's operator, in a browser that nobody has used before."""
    for key in await outbox_messages(behind.service.database, topics.AUTH_SIGNING_KEYS):
        desk.world.keyring.apply(key)
    page: Page = await desk.page("/login", user=None, **options)
    await page.locator("[name=username]").fill("operator")
    await page.locator("[name=password]").fill(PASSWORD)
    await page.locator("[name=password]").press("Enter")
    await page.wait_for_url("**/chargers")
    return page


async def test_a_chosen_language_follows_to_another_browser(desk: Any, behind: Prepared) -> None:
    first = await signed_in(desk, behind, locale="en-GB")
    await first.get_by_role("button", name="Español").click()
    await expect(first.get_by_role("heading", name="Cargadores")).to_be_visible()

    second = await signed_in(desk, behind, locale="en-GB")
    await expect(second.get_by_role("heading", name="Cargadores")).to_be_visible()

    await second.get_by_role("button", name="English").click()
    await expect(second.get_by_role("heading", name="Chargers")).to_be_visible()
    third = await signed_in(desk, behind, locale="es-ES")
    await expect(third.get_by_role("heading", name="Chargers")).to_be_visible()


async def test_who_chose_none_reads_what_the_browser_asks_for(desk: Any, behind: Prepared) -> None:
    page = await signed_in(desk, behind, locale="es-ES")
    await expect(page.get_by_role("heading", name="Cargadores")).to_be_visible()


async def test_without_auth_the_language_is_this_browsers_alone(desk: Any, behind: Prepared, transport: Way) -> None:
    page = await signed_in(desk, behind)
    transport.is_cut = True
    await page.get_by_role("button", name="Español").click()
    await expect(page.get_by_role("heading", name="Cargadores")).to_be_visible()
