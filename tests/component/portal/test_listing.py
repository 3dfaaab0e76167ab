"""Lists of chargers and of restarts: what is filtered, in which order, and that pages neither repeat nor leave out."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.auth import MembershipEnded
from contracts.fleet import ChargerRemoved
from contracts.ocpp import ChargerDisconnected, ConnectorState, FirmwareStatusReported, TransactionStarted
from contracts.restart import Confidence, Outcome, Status, Verdict

T0 = datetime(2026, 3, 1, tzinfo=UTC)


async def get(world: Any, path: str, user: str = "administrator") -> Any:
    answer = await world.http.get(f"/api/v1{path}", headers=world.bearer(user))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ids(world: Any, query: str, user: str = "administrator") -> list[str]:
    return [item["charger_id"] for item in (await get(world, f"/chargers?{query}", user))["items"]]


async def every_page(world: Any, path: str, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = await get(world, f"{path}&limit={limit}&after={after}")
        found += page["items"]
        if page["next"] is None:
            return found
        assert len(page["items"]) == limit
        after = page["next"]


def gone(charger_id: str) -> ChargerDisconnected:
    return ChargerDisconnected(charger_id=charger_id, epoch=1, bridge="b1", since=T0, why="closed")


@pytest.fixture
async def zoo(world: Any) -> Any:
    """A charger in each state that there is."""
    await world.seed("CP-available")
    make = world.make
    for name in (
        "never",
        "offline",
        "lost",
        "updating",
        "faulted",
        "charging",
        "silent",
        "occupied",
        "reserved",
        "out",
    ):
        await world.say(make.charger(f"CP-{name}", site="North" if name < "o" else None, model=f"Model {name[0]}"))
        if name != "never":
            await world.say(make.connected(f"CP-{name}"))
    states = {
        "faulted": ConnectorState.FAULTED,
        "charging": ConnectorState.OCCUPIED,
        "occupied": ConnectorState.OCCUPIED,
        "reserved": ConnectorState.RESERVED,
        "out": ConnectorState.UNAVAILABLE,
        "updating": ConnectorState.AVAILABLE,
    }
    for name, state in states.items():
        await world.say(make.connector(f"CP-{name}", state))
    lost = Verdict(outcome=Outcome.LOST, confidence=Confidence.HIGH)
    await world.say(
        gone("CP-offline"),
        gone("CP-lost"),
        make.moved(uuid4(), 1, Status.LOST, charger_id="CP-lost", verdict=lost),
        FirmwareStatusReported(charger_id="CP-updating", epoch=1, status="Installing", updating=True),
        TransactionStarted(charger_id="CP-charging", epoch=1, transaction_id="7", evse_id=1, connector_id=1),
        make.charger("CP-busy"),
        make.connected("CP-busy"),
        make.moved(uuid4(), 1, Status.RESTARTING, charger_id="CP-busy"),
        make.charger("CP-waits"),
        make.connected("CP-waits"),
        make.connector("CP-waits"),
        make.moved(uuid4(), 1, Status.AWAITING_IDLE, charger_id="CP-waits"),
    )
    return world


async def test_each_state_finds_the_chargers_that_are_shown_in_it(zoo: Any) -> None:
    shown = (await get(zoo, "/chargers"))["items"]
    by_state: dict[str, list[str]] = {}
    for item in shown:
        by_state.setdefault(item["state"], []).append(item["charger_id"])

    assert len(by_state) == 12, "the fixture has a charger in each state"
    for state, expected in by_state.items():
        assert await ids(zoo, f"state={state}") == expected, state


async def test_filters_narrow_each_other(zoo: Any) -> None:
    assert await ids(zoo, "state=offline&state=lost&model=Model%20l") == ["CP-lost"]
    assert await ids(zoo, "attention=true") == ["CP-faulted", "CP-lost", "CP-offline"]
    assert "CP-lost" not in await ids(zoo, "attention=false")
    assert await ids(zoo, "q=north&attention=true") == ["CP-faulted", "CP-lost"]
    assert await ids(zoo, "group_id=elsewhere") == []
    assert (await get(zoo, "/chargers?attention=true&limit=1"))["total"] == 3


@pytest.mark.parametrize("sort", ["label", "attention", "model", "site"])
async def test_pages_hold_each_charger_once_in_every_order(zoo: Any, sort: str) -> None:
    whole = [item["charger_id"] for item in (await get(zoo, f"/chargers?sort={sort}"))["items"]]

    for limit in (1, 4, 13):
        paged = await every_page(zoo, f"/chargers?sort={sort}", limit)
        assert [item["charger_id"] for item in paged] == whole, limit
    if sort == "attention":
        assert whole[:3] == ["CP-faulted", "CP-lost", "CP-offline"]


async def test_a_page_goes_on_where_it_was_though_its_last_charger_is_gone(zoo: Any) -> None:
    first = await get(zoo, "/chargers?limit=3")
    await zoo.say(ChargerRemoved(charger_id=first["items"][-1]["charger_id"]))

    rest = await ids(zoo, f"after={first['next']}")

    assert len(rest) == 13 - 3


@pytest.mark.parametrize("cursor", ["x", "WyJhIl0", "W10", "bnVsbA", "eyJhIjoxfQ", "WzEsMiwzXQ"])
async def test_a_cursor_that_no_page_has_said_is_named(world: Any, cursor: str) -> None:
    await world.seed()
    for path in ("/chargers", "/restarts"):
        answer = await world.http.get(f"/api/v1{path}?after={cursor}", headers=world.bearer("user"))
        assert answer.status_code == 422, path
        assert answer.json()["errors"][0]["field"] == "query.after"


# --- restarts ---------------------------------------------------------------------------------------------------------

VERDICTS = {
    Status.RESTARTED: Outcome.RESTARTED,
    Status.REJECTED: Outcome.NOT_RESTARTED,
    Status.LOST: Outcome.LOST,
    Status.CANCELLED: Outcome.CANCELLED,
}


@pytest.fixture
async def history(world: Any) -> Any:
    """Restarts of two chargers in two groups, by two people, some of them at the same moment."""
    await world.seed("CP-1", "depot")
    await world.seed("CP-2", "hotel")
    number = itertools.count(1)
    for charger, group in (("CP-1", "depot"), ("CP-2", "hotel")):
        for who in ("administrator", "super_administrator"):
            for minute, (status, outcome) in enumerate(VERDICTS.items()):
                verdict = Verdict(outcome=outcome, confidence=Confidence.HIGH)
                about = {"charger_id": charger, "group_id": group, "requested_by": who, "verdict": verdict}
                at = T0 + timedelta(minutes=minute)
                await world.say(world.make.moved(UUID(int=next(number)), 1, status, requested_at=at, **about))
    late = {"charger_id": "CP-1", "requested_by": "administrator", "requested_at": T0 + timedelta(hours=1)}
    await world.say(world.make.moved(UUID(int=99), 1, Status.RESTARTING, **late))
    return world


async def test_restarts_are_listed_of_a_charger_of_a_group_and_mine(history: Any) -> None:
    whole = (await get(history, "/restarts"))["items"]
    assert len(whole) == 17
    assert [item["requested_at"] for item in whole] == sorted((i["requested_at"] for i in whole), reverse=True)

    async def count(query: str, user: str = "administrator") -> int:
        return len((await get(history, f"/restarts?{query}", user))["items"])

    assert await count("charger_id=CP-2") == 8
    assert await count("group_id=depot") == 9
    assert await count("mine=true") == 9
    assert await count("mine=true", "user") == 0
    assert await count("requested_by=super_administrator&group_id=hotel") == 4
    assert await count("state=open") == 1
    assert await count("state=ended&verdict=lost&verdict=not_restarted") == 8
    assert await count("since=2026-03-01T00:02:00Z&before=2026-03-01T00:03:00Z") == 4


async def test_pages_of_restarts_hold_each_once_though_many_are_of_one_moment(history: Any) -> None:
    whole = [item["attempt_id"] for item in (await get(history, "/restarts"))["items"]]

    for limit in (1, 5):
        paged = [item["attempt_id"] for item in await every_page(history, "/restarts?", limit)]
        assert paged == whole, limit


async def test_a_line_says_the_same_as_the_attempt_itself(history: Any) -> None:
    for line in (await get(history, "/restarts?limit=5"))["items"]:
        whole = await get(history, f"/restarts/{line['attempt_id']}")
        assert {name: whole[name] for name in line if name != "label"} == {
            name: value for name, value in line.items() if name != "label"
        }
        assert line["label"] == f"Charger {line['charger_id']}"


async def test_only_restarts_of_ones_own_groups_are_listed(history: Any) -> None:
    await history.say(MembershipEnded(group_id="hotel", user_id="user"))

    shown = (await get(history, "/restarts", "user"))["items"]

    assert {item["charger_id"] for item in shown} == {"CP-1"}
    assert (await get(history, "/restarts?group_id=hotel", "user"))["items"] == []
    assert (await get(history, "/restarts?charger_id=CP-2", "user"))["items"] == []
