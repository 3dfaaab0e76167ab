"""<charger-restart> on the page of another site: its token, its events, its looks; and that nothing of it is left over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from playwright.async_api import expect

from chassis.testing import eventually
from contracts.restart import Step
from portal.settings import PortalSettings

HOST_POLICY = "default-src 'none'; script-src 'self' {portal}; connect-src {portal}; require-trusted-types-for 'script'; trusted-types 'none'"
HOST_PAGE = """<!doctype html><html lang="en"><title>Host</title><script type="module" src="/host.js"></script>
<h1>Another site</h1><div id="here"></div></html>"""
HOST_SCRIPT = """
import "{portal}/static/charger-restart.js";
window.heard = []; window.tokens = 0;
for (const name of ["restart-availability", "restart-requested", "restart-progress", "restart-verdict", "restart-error", "restart-auth"])
  addEventListener(name, (event) => heard.push([name, event.detail]));
window.add = (attributes = {{}}, token = window.token) => {{
  const element = document.createElement("charger-restart");
  for (const [name, value] of Object.entries({{ "charger-id": "CP-1", "base-url": "{portal}", ...attributes }})) element.setAttribute(name, value);
  if (token) element.getToken = window.getToken ??= async () => {{ window.tokens += 1; return window.token; }};
  document.getElementById("here").append(element);
  return element;
}};
window.ready = true;
"""


class Host:
    """A web server of somebody else, with a strict policy."""

    def __init__(self) -> None:
        self.port = 0
        self.portal = ""
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A browser also opens connections that it may never ask on.
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                asked = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
                writer.write(self._page(asked))
                await writer.drain()
        finally:
            writer.close()

    def _page(self, asked: str) -> bytes:
        kind, text = ("text/html", HOST_PAGE)
        if asked.startswith("/host.js"):
            kind, text = "text/javascript", HOST_SCRIPT.format(portal=self.portal)
        policy = HOST_POLICY.format(portal=self.portal)
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Security-Policy: {policy}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + text.encode()


@pytest_asyncio.fixture(loop_scope="session")
async def host() -> AsyncIterator[Host]:
    host = Host()
    await host.start()
    yield host
    await host.stop()


@pytest.fixture
def settings(host: Host) -> PortalSettings:
    return PortalSettings(beat_s=2.0, streams_per_person=12, embed_origins=[host.url])


@pytest_asyncio.fixture(loop_scope="session")
async def page(desk, host):
    host.portal = desk.url
    page = await desk.tab(await desk.context(None), host.url)
    await page.evaluate("(token) => { window.token = token; }", desk.world.token("administrator"))
    await page.wait_for_function("window.ready")
    return page


async def heard(page, name):
    return [detail for said, detail in await page.evaluate("window.heard") if said == name]


async def test_it_restarts_from_another_site_with_a_token_and_tells_what_happens(page, desk, restarting):
    await page.evaluate("add()")
    icon = page.get_by_test_id("restart-icon")
    await expect(icon).to_have_attribute("data-kind", "available")
    await page.wait_for_function("document.querySelector('charger-restart').matches(':state(available)')")
    await icon.click()
    await page.get_by_test_id("dialog-ok").click()
    await restarting.asked()
    await restarting.through(Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE)
    await expect(page.get_by_test_id("step-gone")).to_have_attribute("data-mark", "done")
    await restarting.succeed()
    await expect(page.get_by_test_id("verdict")).to_contain_text("It restarted")

    async def all_heard() -> None:
        assert [each["verdict"] for each in await heard(page, "restart-verdict")] == ["restarted"]

    await eventually(all_heard)
    assert [each["step"] for each in await heard(page, "restart-progress")] == [
        "requested", "sent", "accepted", "gone", "back", "healthy",
    ]  # fmt: skip
    assert (await heard(page, "restart-requested"))[0]["attemptId"] == str(restarting.attempt_id)
    link = page.get_by_role("link", name="Full record of this restart")
    assert await link.get_attribute("href") == f"{desk.url}/restarts/{restarting.attempt_id}"


async def test_a_token_that_is_refused_is_asked_for_once_more(page, desk):
    await page.evaluate("window.getToken = async () => (++window.tokens === 1 ? 'expired' : window.token)")
    await page.evaluate("add()")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "available")


async def test_a_token_that_stays_refused_is_told_and_shown(page):
    await page.evaluate("window.getToken = async () => 'no token at all'")
    await page.evaluate("add()")
    await expect(page.locator(".trouble")).to_have_text("Your session has ended.")
    await page.wait_for_function("document.querySelector('charger-restart').state === 'error'")
    assert await heard(page, "restart-auth")


async def test_an_unknown_charger_is_said(page):
    await page.evaluate("add({ 'charger-id': 'NONE' })")
    await expect(page.locator(".trouble")).to_have_text("No such charger, or not in your groups.")


async def test_a_site_that_is_not_on_the_list_is_refused_and_told_why(desk, host, page):
    said = []
    page.on("console", lambda line: said.append(line.text))
    elsewhere = f"http://127.0.0.1:{host.port}"
    await page.goto(elsewhere)
    await page.evaluate("(token) => { window.token = token; }", desk.world.token("administrator"))
    await page.wait_for_function("window.ready")
    await page.evaluate("add()")
    await expect(page.locator(".trouble")).to_contain_text("The portal can't be reached")
    await eventually(lambda: told_why(said))
    await page.close()  # Else it asks again, and complains again.
    desk.troubles[:] = [each for each in desk.troubles if "Access-Control-Allow-Origin" not in each]


def told_why(said):
    assert any("PORTAL_EMBED_ORIGINS" in line for line in said)


async def test_two_on_a_page_share_a_stream_and_removed_ones_leave_none(page, desk, world):
    await world.say(world.make.charger("CP-2"), world.make.connected("CP-2"))
    await page.evaluate("add(); add({ charger: 'CP-2', 'charger-id': 'CP-2', lang: 'es', variant: 'icon' })")
    icons = page.get_by_test_id("restart-icon")
    await expect(icons.nth(0)).to_have_attribute("aria-label", "Restart available")
    await expect(icons.nth(1)).to_have_attribute("aria-label", "Reinicio disponible")
    await eventually(lambda: streams(world, 1))
    await page.evaluate(
        "window.kept = document.querySelectorAll('charger-restart'); kept.forEach((each) => each.remove())"
    )
    await eventually(lambda: streams(world, 0))
    await page.evaluate("document.getElementById('here').append(kept[0])")
    await expect(icons).to_have_attribute("data-kind", "available")
    await eventually(lambda: streams(world, 1))


def streams(world, count):
    assert world.context.hub.streams == count


async def test_its_looks_are_the_hosts_to_choose(page):
    await page.evaluate(
        "() => { const it = add(); it.style.setProperty('--cr-ok', 'rgb(1, 2, 3)'); it.style.setProperty('--cr-icon-size', '48px'); }"
    )
    icon = page.get_by_test_id("restart-icon")
    await expect(icon).to_have_css("color", "rgb(1, 2, 3)")
    await expect(icon).to_have_css("width", "48px")


async def test_a_listener_may_prevent_it(page, world):
    await page.evaluate("add(); addEventListener('restart-before', (event) => event.preventDefault())")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "available")
    await page.get_by_test_id("restart-icon").click()
    await page.get_by_test_id("dialog-ok").click()
    await expect(page.get_by_test_id("restart-dialog")).to_be_hidden()
    assert world.publisher.messages == []


async def test_its_methods_open_and_close_the_dialog_and_send_nothing(page, world):
    await page.evaluate("window.it = add()")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("data-kind", "available")
    await page.evaluate("it.show()")
    await expect(page.get_by_test_id("restart-dialog")).to_be_visible()
    await page.evaluate("it.close()")
    await expect(page.get_by_test_id("restart-dialog")).to_be_hidden()
    await page.evaluate("it.setAttribute('disabled', '')")
    await expect(page.get_by_test_id("restart-icon")).to_have_attribute("aria-disabled", "true")
    await page.evaluate("it.show()")
    await expect(page.get_by_test_id("restart-dialog")).to_be_hidden()
    assert world.publisher.messages == []
