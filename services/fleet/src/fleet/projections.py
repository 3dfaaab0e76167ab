"""What fleet remembers of other services' topics, and how it is built again from them."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Table, not_, tuple_
from sqlalchemy.dialects.postgresql import Insert, insert

from chassis.database import Work, write_rows
from chassis.memberships import memberships_projection
from chassis.projection import Projection, Tables
from contracts import topics
from contracts.auth import GroupDefined
from contracts.envelope import Envelope, Message
from contracts.ocpp import ChargerConnected, ChargerDisconnected
from fleet.tables import connectivity, groups, memberships


async def apply_groups(session: Work, messages: Sequence[Envelope[Message]], tables: Tables) -> None:
    """Writes down which groups there are; the name that was said last stands."""
    table = tables[groups.name]
    latest = {
        said.data.group_id: {"group_id": said.data.group_id, "name": said.data.name, "said_at": said.time}
        for said in sorted(messages, key=lambda said: said.time)
        if isinstance(said.data, GroupDefined)
    }
    await write_rows(session, _naming(table), list(latest.values()))


@lru_cache
def _naming(table: Table) -> Insert:
    rows = insert(table)
    newer = rows.excluded.said_at > table.c.said_at
    changes = {"name": rows.excluded.name, "said_at": rows.excluded.said_at}
    return rows.on_conflict_do_update(index_elements=[table.c.group_id], set_=changes, where=newer)


async def apply_connectivity(session: Work, messages: Sequence[Envelope[Message]], tables: Tables) -> None:
    """Writes down who is online: of one charger, the session with the greatest epoch counts, and its end last."""
    table = tables[connectivity.name]
    latest: dict[str, dict[str, Any]] = {}
    for message in messages:
        row = _row(message.data)
        if row is None:
            continue
        known = latest.get(row["charger_id"])
        if known is None or (row["epoch"], not row["online"]) > (known["epoch"], not known["online"]):
            latest[row["charger_id"]] = row
    await write_rows(session, _remembering(table), list(latest.values()))


@lru_cache
def _remembering(table: Table) -> Insert:
    rows = insert(table)
    later = tuple_(rows.excluded.epoch, not_(rows.excluded.online)) > tuple_(table.c.epoch, not_(table.c.online))
    changes = {name: rows.excluded[name] for name in ("epoch", "online", "since", "protocol", "bridge")}
    return rows.on_conflict_do_update(index_elements=[table.c.charger_id], set_=changes, where=later)


def _row(message: Message) -> dict[str, Any] | None:
    match message:
        case ChargerConnected():
            return {
                "charger_id": message.charger_id,
                "epoch": message.epoch,
                "online": True,
                "since": message.since,
                "protocol": message.protocol,
                "bridge": message.bridge,
            }
        case ChargerDisconnected():
            return {
                "charger_id": message.charger_id,
                "epoch": message.epoch,
                "online": False,
                "since": message.since,
                "protocol": None,
                "bridge": message.bridge,
            }
        case _:
            return None


PROJECTIONS = {
    projection.name: projection
    for projection in (
        Projection("groups", (topics.AUTH_GROUPS,), (groups,), apply_groups),
        memberships_projection(memberships),
        Projection("connectivity", (topics.OCPP_CONNECTIVITY,), (connectivity,), apply_connectivity),
    )
}
