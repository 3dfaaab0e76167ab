"""The pages as the server writes them: signing in, what they show, and the way without a script."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import httpx2
import orjson
import pytest

from contracts.ocpp import ChargerDisconnected, TransactionStarted
from contracts.restart import Confidence, Health, Outcome, Status, Step, Verdict
from contracts.words import Role
from portal.settings import PortalSettings

HTML = {"accept": "text/html"}
OURS = HTML | {"sec-fetch-site": "same-origin"}


class Services:
    """Stands for auth, billing and fleet."""

    def __init__(self) -> None:
        self.seen: list[httpx2.Request] = []
        self.down: set[str] = set()
        self.token = ""
        self.expires_at = ""

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        if request.url.host in self.down:
            raise httpx2.ConnectError("refused")
        if request.url.path == "/api/v1/login":
            if orjson.loads(request.content)["password"] != "right":
                return httpx2.Response(401, json={"detail": "wrong"})
            return httpx2.Response(200, json={"access_token": self.token, "expires_at": self.expires_at})
        return httpx2.Response(201, json={"path": request.url.raw_path.decode()}, headers={"location": "/there"})


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
async def world(new_database, services, portal_running) -> AsyncIterator[object]:
    settings = PortalSettings(auth_url="http://auth", billing_url="http://billing", fleet_url="http://fleet")
    async with portal_running(await new_database("portal"), settings, httpx2.MockTransport(services)) as made:
        await made.seed()
        services.token = made.token("administrator")
        services.expires_at = "2999-01-01T00:00:00Z"
        yield made


async def sign_in(world, password="right", target="/chargers/CP-1"):
    form = {"username": "administrator", "password": password, "next": target}
    return await world.http.post("/login", data=form, headers=OURS)


async def show(world, path, **headers):
    return await world.http.get(path, headers=HTML | headers)


def hooks(html: str) -> set[str]:
    return set(re.findall(r'data-testid="([^"]+)"', html))


async def test_without_a_session_a_page_leads_to_signing_in_and_back(world):
    sent = await show(world, "/chargers/CP-1?x=1")
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Fchargers%2FCP-1%3Fx%3D1")
    form = await show(world, sent.headers["location"])
    assert 'value="/chargers/CP-1?x=1"' in form.text
    expired = world.token("administrator", lasts=timedelta(seconds=-5))
    assert (await show(world, "/chargers", cookie=f"comeback_session={expired}")).status_code == 303


async def test_signing_in_keeps_the_token_where_no_script_can_read_it(world):
    answer = await sign_in(world)
    assert (answer.status_code, answer.headers["location"]) == (303, "/chargers/CP-1")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert (await show(world, "/chargers/CP-1")).status_code == 200
    assert (await world.http.get("/api/v1/me")).json()["user_id"] == "administrator"
    out = await world.http.post("/logout", headers=OURS)
    assert out.headers["location"] == "/login"
    assert (await show(world, "/chargers")).status_code == 303


async def test_a_wrong_password_and_a_service_that_is_down_are_told_apart(world, services):
    wrong = await sign_in(world, "wrong")
    assert (wrong.status_code, "is wrong" in wrong.text, 'value="administrator"' in wrong.text) == (401, True, True)
    assert re.search(r'name="password"[^>]* autofocus', wrong.text), (
        "the name is there: only the password is typed again"
    )
    services.down.add("auth")
    down = await sign_in(world)
    assert (down.status_code, "not possible at the moment" in down.text) == (503, True)


async def test_a_form_of_another_site_does_nothing(world):
    await sign_in(world)
    for path in ("/login", "/logout", "/chargers/CP-1/restart"):
        answer = await world.http.post(path, data={}, headers=HTML | {"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403
    api = await world.http.post("/api/v1/chargers/CP-1/restarts", json={}, headers={"origin": "https://evil.example"})
    assert api.status_code == 403
    assert world.publisher.published == []


async def test_the_list_and_the_search_show_the_chargers_of_ones_groups(world):
    await world.say(world.make.charger("CP-2", label="<b>Yard</b>", site="Quay"))
    await sign_in(world)
    page = await show(world, "/chargers")
    assert page.text.count('data-testid="charger-row"') == 2
    assert "&lt;b&gt;Yard&lt;/b&gt;" in page.text
    assert (await show(world, "/chargers?q=quay")).text.count('data-testid="charger-row"') == 1
    assert "No charger matches." in (await show(world, "/chargers?q=nothing")).text


async def test_the_page_of_a_charger_is_whole_before_its_script_runs(world):
    await sign_in(world)
    page = (await show(world, "/chargers/CP-1")).text
    assert {"charger-state", "live-state", "history"} <= hooks(page)
    given = re.search(r'<charger-restart charger-id="CP-1">\s*<script type="application/json">(.*?)</script>', page)
    assert given
    assert orjson.loads(given[1])["restart"]["available"] is True
    assert '<a class="button" href="/chargers/CP-1/restart">Restart available</a>' in page


async def test_a_charger_that_can_not_be_restarted_offers_no_way_and_every_reason_is_text(world):
    gone = ChargerDisconnected(charger_id="CP-1", epoch=1, bridge="b", since="2026-03-01T12:00:00Z", why="lost")
    await world.say(world.make.member("administrator", "depot", Role.USER, 2), gone)
    await sign_in(world)
    page = (await show(world, "/chargers/CP-1")).text
    assert 'href="/chargers/CP-1/restart"' not in page
    assert page.count('<li data-reason="role">') == page.count('<li data-reason="offline">') == 1
    assert "Ask one of them: Super_administrator" in page


async def test_pages_are_in_the_language_that_was_chosen_else_in_the_browsers(world):
    spanish = {"accept-language": "es-MX,es;q=0.9,en;q=0.5"}
    login = await show(world, "/login", **spanish)
    assert '<html lang="es">' in login.text
    assert login.headers["content-language"] == "es"
    assert {"Cookie", "Accept-Language"} <= set(login.headers["vary"].replace(" ", "").split(","))
    chosen = await world.http.post(
        "/language", data={"language": "en"}, headers=OURS | {"referer": f"{world.url}/login"}
    )
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/login")
    assert '<html lang="en">' in (await show(world, "/login", **spanish)).text
    answer = await world.http.get("/api/v1/chargers/none", headers=world.bearer("administrator") | spanish)
    assert answer.json()["detail"] == "No existe ese cargador o no está en tus grupos."


async def test_only_a_listed_site_may_call_the_api_from_its_pages(new_database, portal_running):
    settings = PortalSettings(embed_origins="https://one.example, https://two.example/")
    async with portal_running(await new_database("portal"), settings) as world:
        await world.seed()
        for origin, allowed in (("https://two.example", True), ("https://evil.example", False)):
            asked = world.bearer("administrator") | {"origin": origin}
            answer = await world.http.get("/api/v1/chargers/CP-1", headers=asked)
            assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
            assert "access-control-allow-credentials" not in answer.headers


async def test_the_modules_of_the_component_may_be_loaded_by_any_site_and_are_kept_while_unchanged(world):
    for name in ("charger-restart.js", "words/es.js", "icons.js", "styles.js"):
        module = await world.http.get(f"/static/{name}")
        assert module.headers["content-type"].startswith("text/javascript")
        assert module.headers["access-control-allow-origin"] == "*"
        again = await world.http.get(f"/static/{name}", headers={"if-none-match": module.headers["etag"]})
        assert again.status_code == 304
    assert (await world.http.get("/static/words/xx.js")).status_code == 404


async def test_the_story_of_a_restart_stands_in_the_page(world):
    attempt = uuid4()
    verdict = Verdict(outcome=Outcome.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)
    await world.say(world.make.moved(attempt, 1, Status.RESTARTED, verdict=verdict))
    await sign_in(world)
    for path in ("/chargers/CP-1", f"/restarts/{attempt}"):
        page = (await show(world, path)).text
        assert {"timeline", "step-requested", "step-back", "verdict", "evidence"} <= hooks(page)
        assert 'data-verdict="restarted" data-confidence="high"' in page
        assert "It restarted: it accepted, went away and booted on a new connection." in page


async def test_without_a_script_a_charger_is_restarted_by_a_plain_form(world):
    await world.say(TransactionStarted(charger_id="CP-1", epoch=1, transaction_id="7", evse_id=1, meter_wh=0.0))
    await sign_in(world)
    form = (await show(world, "/chargers/CP-1/restart")).text
    assert "It waits until the charging ends on connector 1" in form
    assert "The restart is sent at once and stops the charging." in form
    assert re.search(r'name="when" value="idle" checked', form), "what stops nobody is what is proposed"
    key = re.search(r'name="key" value="([^"]+)"', form)
    assert key
    data = {"when": "now", "type": "auto", "key": key[1], "seen": re.findall(r'name="seen" value="([^"]+)"', form)}
    for _ in range(2):
        sent = await world.http.post("/chargers/CP-1/restart", data=data, headers=OURS)
        assert sent.status_code == 303
    first, second = world.publisher.messages
    assert first.attempt_id == second.attempt_id
    assert (first.interrupt_charging, sent.headers["location"]) == (True, f"/restarts/{first.attempt_id}")
    assert "Refresh" in (await show(world, sent.headers["location"])).text


async def test_a_form_that_kafka_did_not_take_comes_back_with_the_same_key(world):
    await sign_in(world)
    world.publisher.down = True
    again = await world.http.post("/chargers/CP-1/restart", data={"key": "k-1"}, headers=OURS)
    assert (again.status_code, 'value="k-1"' in again.text) == (503, True)
    assert "Trying again can" in again.text


async def test_a_restart_that_waits_is_taken_back_on_the_page(world):
    attempt = uuid4()
    await world.say(world.make.moved(attempt, 1, Status.QUEUED, steps={Step.REQUESTED: "2026-03-01T12:00:00Z"}))
    await sign_in(world)
    assert f'action="/restarts/{attempt}/cancel"' in (await show(world, "/chargers/CP-1")).text
    sent = await world.http.post(f"/restarts/{attempt}/cancel", headers=OURS)
    assert (sent.status_code, len(world.publisher.messages)) == (303, 1)


async def test_what_is_not_there_is_a_page_for_people_and_a_problem_for_programs(world):
    await sign_in(world)
    for path in (
        "/chargers/CP-404",
        "/chargers/%00",
        "/chargers?q=%00",
        f"/restarts/{uuid4()}",
        "/restarts/x",
        "/nowhere",
    ):
        page = await show(world, path)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    problem = await world.http.get("/api/v1/nowhere")
    assert problem.headers["content-type"] == "application/problem+json"


async def test_a_failure_that_nobody_thought_of_is_a_page_for_people_and_a_problem_for_programs(world, monkeypatch):
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr("portal.lookups.chargers", fail)
    await sign_in(world)
    shown = await show(world, "/chargers")
    assert shown.status_code == 500
    assert shown.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert "Something went wrong here, not at the charger." in shown.text
    assert "nobody thought of this" not in shown.text
    told = await world.http.get("/api/v1/chargers", headers=world.bearer("administrator"))
    assert (told.status_code, told.headers["content-type"]) == (500, "application/problem+json")


async def test_the_browser_is_told_to_load_nothing_from_elsewhere(world):
    await sign_in(world)
    page = await show(world, "/chargers/CP-1")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"""\s(style|on\w+)=["']""", page.text), "an inline style or handler would be refused"
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        served = await world.http.get(address)
        assert (served.status_code, served.headers["cache-control"]) == (200, "no-cache"), address
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page.text) == []


async def test_calls_of_other_services_are_passed_on_with_who_is_asking(world, services):
    bearer = world.bearer("boss")
    answer = await world.http.put("/api/v1/chargers/CP-7?x=1", json={"model": "Terra"}, headers=bearer)
    assert (answer.status_code, answer.headers["location"]) == (201, "/there")
    assert answer.json() == {"path": "/api/v1/chargers/CP-7?x=1"}
    seen = services.seen[-1]
    assert (seen.method, seen.url.host, seen.headers["authorization"]) == ("PUT", "fleet", bearer["authorization"])
    assert orjson.loads(seen.content) == {"model": "Terra"}
    await world.http.put("/api/v1/groups/depot/plan", json={"plan": "basic"}, headers=bearer)
    assert services.seen[-1].url.host == "billing"
    await world.http.post("/api/v1/chargers:import", json={"chargers": []}, headers=bearer)
    assert services.seen[-1].url.path == "/api/v1/chargers:import"


async def test_a_call_with_the_pages_cookie_is_passed_on_as_a_bearer(world, services):
    await sign_in(world)
    await world.http.get("/api/v1/plans")
    assert services.seen[-1].headers["authorization"] == f"Bearer {services.token}"
    assert "cookie" not in services.seen[-1].headers


async def test_a_service_that_is_down_is_named_and_the_others_go_on(world, services):
    services.down.add("fleet")
    down = await world.http.get("/api/v1/models", headers=world.bearer("boss"))
    assert (down.status_code, down.json()["service"]) == (503, "fleet")
    assert "fleet service can't be reached" in down.json()["detail"]
    assert (await world.http.get("/api/v1/plans", headers=world.bearer("boss"))).status_code == 201
