"""What the API's answers carry beside their content: tags that save what has not changed, and the API's own description."""

import json
from pathlib import Path
from typing import Any

from contracts.auth import MembershipGranted
from contracts.ocpp import ConnectorState
from contracts.words import Role

DOCUMENT = Path(__file__).parents[3] / "clients" / "openapi.json"


async def get(
    world: Any,
    path: str,
    tag: str | None = None,
    user: str = "administrator",
    *,
    signed_in: dict[str, str] | None = None,
) -> Any:
    headers = (signed_in or world.bearer(user)) | ({"if-none-match": tag} if tag else {})
    return await world.http.get(f"/api/v1{path}", headers=headers)


async def test_what_has_not_changed_is_not_sent_again(world: Any) -> None:
    await world.seed()
    once = world.bearer("administrator")  # /me says when this ends: another sign-in may end a second later
    for path in ("/me", "/chargers", "/chargers/CP-1", "/restarts"):
        first = await get(world, path, signed_in=once)
        again = await get(world, path, first.headers["etag"], signed_in=once)
        one_of_many = await get(world, path, f'"other", {first.headers["etag"]}', signed_in=once)
        assert (again.status_code, again.content) == (304, b""), path
        assert again.headers["etag"] == first.headers["etag"]
        assert one_of_many.status_code == 304


async def test_what_is_elsewhere_in_the_feed_does_not_change_a_tag(world: Any) -> None:
    await world.seed()
    first = await get(world, "/chargers/CP-1")
    await world.say(world.make.charger("CP-2", "hotel"), world.make.connected("CP-2"))

    again = await get(world, "/chargers/CP-1")

    assert again.json()["v"] > first.json()["v"]
    assert again.headers["etag"] == first.headers["etag"]


async def test_a_change_or_another_persons_view_is_another_tag(world: Any) -> None:
    await world.seed()
    first = await get(world, "/chargers/CP-1")

    other = await get(world, "/chargers/CP-1", first.headers["etag"], "user")
    await world.say(world.make.connector(state=ConnectorState.FAULTED))
    changed = await get(world, "/chargers/CP-1", first.headers["etag"])

    assert other.status_code == changed.status_code == 200
    assert changed.json()["state"] == "faulted"


async def test_a_withdrawn_right_is_not_hidden_by_a_tag(world: Any) -> None:
    await world.seed()
    first = await get(world, "/chargers/CP-1")
    less = MembershipGranted(group_id="depot", user_id="administrator", name="A", role=Role.USER, version=2)
    await world.say(less)

    again = await get(world, "/chargers/CP-1", first.headers["etag"])

    assert (again.status_code, again.json()["restart"]["available"]) == (200, False)


async def test_the_description_that_is_served_is_the_committed_one_and_needs_no_token(world: Any) -> None:
    served = await world.http.get("/api/v1/openapi.json")

    assert served.json() == json.loads(DOCUMENT.read_text()), "run `make clients` and commit what it writes"
    again = await world.http.get("/api/v1/openapi.json", headers={"if-none-match": served.headers["etag"]})
    assert again.status_code == 304
