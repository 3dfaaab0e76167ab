"""What a restart did to the connectors, and that script and server say the same in both languages."""

import json
from typing import Any

import pytest
from playwright.async_api import expect

from contracts.ocpp import ConnectorState
from contracts.restart import (
    Confidence,
    ConnectorCompared,
    Escalated,
    Health,
    Outcome,
    Step,
    Verdict,
)
from portal.words import LANGUAGES, catalogue, say

COMPARED = (
    ConnectorCompared(evse_id=1, connector_id=1, before=ConnectorState.FAULTED, since=ConnectorState.AVAILABLE,
                      error_before="GroundFailure", error_since="NoError"),
    ConnectorCompared(evse_id=2, connector_id=1, before=ConnectorState.AVAILABLE),
    ConnectorCompared(evse_id=0, connector_id=0, before=ConnectorState.AVAILABLE, since=ConnectorState.UNAVAILABLE),
)  # fmt: skip
UNHEALTHY = Verdict(
    outcome=Outcome.RESTARTED,
    confidence=Confidence.HIGH,
    health=Health.UNHEALTHY,
    params={"connectors": "2/1 silent, 0/0 unavailable", "faults_gone": "1/1 GroundFailure"},
)


@pytest.mark.parametrize("language", ["en", "es"])
async def test_connectors_before_and_since_stand_side_by_side_live_and_after_a_reload(
    desk: Any, restarting: Any, language: str
) -> None:
    words = {
        "en": ("before the restart: faulted", "Connector 1|faulted · GroundFailure|available", "nothing said"),
        "es": ("antes del reinicio: con fallo", "Conector 1|con fallo · GroundFailure|disponible", "no dijo nada"),
    }[language]
    context = await desk.context(locale=language)
    page, box = await desk.tab(context, "/chargers/CP-1"), None
    await restarting.through(Step.REQUESTED, Step.SENT)
    box = await desk.tab(context, f"/restarts/{restarting.attempt_id}")
    await expect(box.get_by_test_id("compared")).to_be_hidden()

    await restarting.succeed(verdict=UNHEALTHY, connectors=COMPARED)

    for _ in ("live", "reloaded"):
        await expect(page.locator('[data-part="connectors"]')).to_contain_text(words[0])
        rows = box.get_by_test_id("compared").locator("tbody tr")
        await expect(rows).to_have_count(3)
        await expect(rows.nth(0).locator("th, td")).to_have_text(words[1].split("|"), use_inner_text=True)
        await expect(rows.nth(1)).to_contain_text(words[2])
        await page.reload()
        await box.reload()


async def test_a_harder_restart_that_followed_stands_in_the_timeline(desk: Any, restarting: Any) -> None:
    await restarting.through(Step.REQUESTED, Step.SENT)
    page = await desk.page()
    harder = Escalated(at=restarting.steps[Step.SENT], after="ignored", strength="hard")
    await restarting.succeed(escalations=(harder,))
    await expect(page.get_by_test_id("step-escalated")).to_contain_text(
        "A hard restart follows: the soft one was ignored"
    )
    await expect(page.get_by_test_id("verdict")).to_contain_text("A hard restart had followed the soft one")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_script_and_server_put_the_same_words_together(desk: Any, language: str) -> None:
    page = await desk.page(locale=language)
    words = catalogue(language)
    facts = {"faults": "1/1 GroundFailure, 2/3 faulted, 0/0 silent", "connector": "0/0", "connectors": "1/2 faulted",
             "missing": "answer,drop", "span": "75", "away": "8.25", "who": "Ada", "why": "boot_loop"}  # fmt: skip
    timed = (":time}", ":ago}")
    codes = [code for code, template in words.templates.items() if not any(kind in template for kind in timed)]
    told = await page.evaluate(
        """async ([language, codes, facts]) => {
            const { wordsFor } = await import("/static/words.js");
            const words = await wordsFor(language);
            return Object.fromEntries(codes.map((code) => [code, words.text(code, facts)]));
        }""",
        [language, codes, facts],
    )
    said = {code: words.text(say(code, **facts)) for code in codes}
    assert json.dumps(told, ensure_ascii=False, indent=1) == json.dumps(said, ensure_ascii=False, indent=1)
