"""The harder Reset that follows a softer one of the same attempt: claimed once too, and never taken for the other."""

from uuid import UUID, uuid4

from chassis import migrations
from chassis.testing import eventually
from contracts.ocpp import ResetAccepted, ResetNotDelivered, ResetRejected, ResetSent
from ocpp_bridge.tables import SCHEMA, metadata


def _is(found, expected):
    assert found == expected


async def ledger_of(site, bridge, attempt: UUID) -> list[tuple[int, str, str | None]]:
    rows = await bridge.resets._ledger._store.fetch(
        "select escalation, message_id, outcome from reset_ledger where attempt_id = $1 order by escalation", attempt
    )
    return [(row["escalation"], row["message_id"], row["outcome"]) for row in rows]


async def test_an_attempt_has_one_frame_for_each_of_its_resets_and_the_ledger_proves_it(site):
    bridge = await site.start()
    attempt = uuid4()
    soft = site.reset("garage-1", 1, attempt_id=attempt)
    hard = site.reset("garage-1", 1, attempt_id=attempt, strength="hard", escalation=1)
    async with site.booted(bridge, "garage-1") as charger:
        bridge.resets.take(soft)
        first = await charger.receive()
        await charger.send([3, first[1], {"status": "Rejected"}])
        [rejected] = await site.published(ResetRejected)
        for _ in range(3):
            bridge.resets.take(hard)
            bridge.resets.take(soft)
        second = await charger.receive()
        await charger.send([3, second[1], {"status": "Accepted"}])
        [accepted] = await site.published(ResetAccepted)
        await eventually(lambda: _is(len(bridge.resets._under_way), 0))
        assert "currentTime" in await charger.call("Heartbeat", {})  # and no third frame
    assert [frame[2:] for frame in (first, second)] == [["Reset", {"type": "Soft"}], ["Reset", {"type": "Hard"}]]
    assert first[1] == str(attempt)
    assert second[1] != first[1]
    assert len(second[1]) == 36
    assert (rejected.escalation, accepted.escalation) == (0, 1)
    assert [told.escalation for told in await site.published(ResetSent, 2)] == [0, 1]
    proof = await ledger_of(site, bridge, attempt)
    assert proof == [(0, first[1], "rejected"), (1, second[1], "accepted")]


async def test_a_late_answer_to_the_harder_reset_is_found_by_its_message_id(site):
    bridge = await site.start()
    attempt = uuid4()
    async with site.booted(bridge, "garage-1") as charger:
        bridge.resets.take(site.reset("garage-1", 1, attempt_id=attempt, strength="hard", escalation=1))
        message_id = (await charger.receive())[1]
    async with site.booted(bridge, "garage-1") as charger:
        await charger.send([3, message_id, {"status": "Accepted"}])
        [accepted] = await site.published(ResetAccepted)
    assert (accepted.attempt_id, accepted.escalation, accepted.answer_epoch) == (attempt, 1, 2)


async def test_that_the_harder_reset_was_not_delivered_says_which_it_was(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1"):
        pass
    bridge.resets.take(site.reset("garage-1", 1, escalation=1))
    [told] = await site.published(ResetNotDelivered)
    assert (told.why, told.escalation) == ("not_connected", 1)


async def test_the_models_and_the_migrations_agree(site):
    await migrations.check(SCHEMA, metadata, migrations.directory_of(SCHEMA), site.url)
