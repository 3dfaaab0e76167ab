"""Finished restarts teach how long the next one takes; a charger that takes minutes stretches nobody's window."""

import asyncio
import json
import re
from contextlib import AsyncExitStack
from uuid import uuid4

from chassis.testing import eventually
from simulator.personalities.restarting import Healthy

CHARGERS = 11
"""One more than it takes: the one that took longest is not believed."""
FAST = 120.0
"""So much faster than in the field: nine minutes are 4.5 s."""
USUAL_S, POISON_S = 5.0, 540.0


async def test_a_model_is_expected_to_take_as_long_as_it_took_and_not_as_long_as_one_charger_did(system):
    model = f"Model {uuid4().hex[:6]}"

    async def present(away):
        return await stack.enter_async_context(system.charger(Healthy(away=away), model=model, speed=FAST))

    async with AsyncExitStack() as stack, system.person() as admin:
        chargers = await asyncio.gather(present(POISON_S), *(present(USUAL_S) for _ in range(CHARGERS)))
        poisoned, *others = [charger.identity for charger in chargers]
        for charger_id in (poisoned, *others):
            assert (await admin.available(charger_id))["restart"]["expected"] is None

        slow = await admin.restart(poisoned)
        assert slow["verdict"]["confidence"] == "high"
        for attempt in await asyncio.gather(*(admin.restart(charger_id) for charger_id in others)):
            assert attempt["verdict"]["confidence"] == "high"

        # From all of them: what is learned from some is said too, and said anew when more have ended.
        all_kept = "select from restart_orchestrator.duration_samples where model = $1 having count(*) = $2"
        await system.orchestrator_heard(all_kept, model, CHARGERS + 1)
        last_word = "select from restart_orchestrator.durations where model = $1 and expected ->> 'samples' = $2"

        async def learned():
            expected = (await admin.charger(others[0]))["restart"]["expected"]
            assert expected is not None
            assert await system.orchestrator_knows(last_word, model, str(expected["samples"]))
            return expected

        expected = await eventually(learned, within=60)
        assert expected["samples"] >= CHARGERS, "the poisoned one among them"
        for spread in (expected["drop"], expected["away"]):
            assert 0 <= spread["p50_s"] <= spread["p95_s"] < POISON_S / FAST

        page = await admin.http.get(f"/chargers/{others[0]}", headers={"accept": "text/html"})
        [shown] = re.findall(
            r'<charger-restart .*?<script type="application/json">(.*?)</script>', page.text, re.DOTALL
        )
        assert json.loads(shown)["restart"]["expected"] == expected

        again = await admin.restart(others[1])
        assert again["expected"] == expected
