"""Plans over HTTP, and what is said about them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from billing.tables import metadata
from chassis import migrations
from chassis.testing.outbox import outbox_messages
from contracts import topics
from contracts.auth import GroupDefined
from contracts.billing import PlanSet
from contracts.words import Plan

HARBOUR = GroupDefined(group_id="harbour", name="Harbour")
RESTARTS = frozenset({"remote_restart"})


async def said(billing: Any) -> list[PlanSet]:
    return [each.data for each in await outbox_messages(billing.service.database, topics.BILLING_PLANS)]


def plan_set(plan: Plan, features: frozenset[str], version: int, group: str = "harbour") -> PlanSet:
    return PlanSet(group_id=group, plan=plan, features=features, version=version)


async def test_a_group_is_basic_from_the_moment_it_is_heard_of(billing: Any) -> None:
    assert await said(billing) == [plan_set(Plan.BASIC, frozenset(), 1)]
    shown = await billing.http.get("/api/v1/groups/harbour/plan")
    assert shown.json() == {"group_id": "harbour", "plan": "basic", "features": []}


async def test_hearing_of_a_group_again_leaves_its_plan_alone(billing: Any) -> None:
    await billing.set_plan("harbour", "business")
    before = await said(billing)

    await billing.hear_of(GroupDefined(group_id="harbour", name="Old Harbour"), HARBOUR)

    assert await said(billing) == before
    assert (await billing.http.get("/api/v1/groups/harbour/plan")).json()["plan"] == "business"


async def test_many_groups_in_one_batch_are_each_said_once(start_billing: Any) -> None:
    billing = await start_billing()

    await billing.hear_of(HARBOUR, GroupDefined(group_id="airport", name="Airport"), HARBOUR)

    assert await said(billing) == [
        plan_set(Plan.BASIC, frozenset(), 1, "airport"),
        plan_set(Plan.BASIC, frozenset(), 1, "harbour"),
    ]


async def test_a_plan_that_is_set_is_said_with_its_features_and_a_greater_version(billing: Any) -> None:
    answer = await billing.set_plan("harbour", "standard")

    assert answer.status_code == 200
    assert answer.json() == {"group_id": "harbour", "plan": "standard", "features": ["remote_restart"]}
    assert (await said(billing))[1:] == [plan_set(Plan.STANDARD, RESTARTS, 2)]


async def test_setting_the_same_plan_again_says_nothing(billing: Any) -> None:
    await billing.set_plan("harbour", "standard")
    before = await said(billing)

    assert (await billing.set_plan("harbour", "standard")).status_code == 200
    assert await said(billing) == before


async def test_plans_that_are_set_at_once_get_different_versions_in_the_order_they_are_said(billing: Any) -> None:
    await asyncio.gather(*(billing.set_plan("harbour", plan) for plan in ("standard", "business", "basic", "standard")))

    versions = [each.version for each in await said(billing)]
    assert versions == list(range(1, len(versions) + 1))
    last = (await said(billing))[-1]
    assert (await billing.http.get("/api/v1/groups/harbour/plan")).json()["plan"] == last.plan


async def test_ids_derive_from_group_and_version(start_billing: Any) -> None:
    ids = []
    for _ in range(2):
        billing = await start_billing()
        await billing.hear_of(HARBOUR)
        await billing.set_plan("harbour", "business")
        ids.append([each.id for each in await outbox_messages(billing.service.database, topics.BILLING_PLANS)])

    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_an_unknown_group_is_named(billing: Any, method: str) -> None:
    body = {"plan": "basic"} if method == "PUT" else None

    refused = await billing.http.request(method, "/api/v1/groups/nowhere/plan", json=body)

    assert refused.status_code == 404
    assert refused.headers["content-type"] == "application/problem+json"
    assert "There is no group 'nowhere'" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"plan": "gold"}, "body.plan"), ({}, "body.plan"), ({"plan": "basic", "for": "free"}, "body.for")],
)
async def test_a_malformed_plan_names_the_field(billing: Any, body: Any, field: str) -> None:
    refused = await billing.http.put("/api/v1/groups/harbour/plan", json=body)

    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_the_plans_are_listed_with_their_features(billing: Any) -> None:
    listed = (await billing.http.get("/api/v1/plans")).json()["items"]

    assert [(each["plan"], "remote_restart" in each["features"]) for each in listed] == [
        ("basic", False),
        ("standard", True),
        ("business", True),
    ]


async def test_features_that_a_plan_gains_reach_the_groups_that_have_it(start_billing: Any, tmp_path: Path) -> None:
    billing = await start_billing()
    await billing.hear_of(HARBOUR, GroupDefined(group_id="airport", name="Airport"))
    await billing.set_plan("harbour", "standard")
    file = tmp_path / "plans.json"
    features = {"basic": [], "standard": ["remote_restart", "night_rate"], "business": []}
    file.write_text(json.dumps([{"plan": plan, "title": plan, "features": names} for plan, names in features.items()]))

    again = await start_billing(billing.service.database.dsn, file)

    assert (await said(again))[-1] == plan_set(Plan.STANDARD, RESTARTS | {"night_rate"}, 3)
    assert len(await said(again)) == 4


async def test_nobody_looks_or_sets_without_a_token(billing: Any) -> None:
    billing.http.headers.pop("authorization")
    for method, path in (
        ("GET", "/api/v1/plans"),
        ("GET", "/api/v1/groups/harbour/plan"),
        ("PUT", "/api/v1/groups/harbour/plan"),
    ):
        assert (await billing.http.request(method, path)).status_code == 401, (method, path)


async def test_the_row_and_the_event_come_together_or_not_at_all(billing: Any) -> None:
    before = await said(billing)
    async with billing.service.database.begin() as session:
        await session.execute(text("alter table outbox add constraint closed check (topic = 'none') not valid"))

    with capture_logs():
        assert (await billing.set_plan("harbour", "business")).status_code == 500

    assert (await billing.http.get("/api/v1/groups/harbour/plan")).json()["plan"] == "basic"
    assert await said(billing) == before


async def test_models_and_migrations_agree(billing: Any) -> None:
    await migrations.check("billing", metadata, migrations.directory_of("billing"), billing.service.database.dsn)
