"""What billing remembers of other services' topics, and how it is built again from them."""

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert, insert

from billing.tables import groups, memberships
from chassis.database import Work, write_rows
from chassis.memberships import memberships_projection
from chassis.projection import Projection, Tables
from contracts import topics
from contracts.auth import GroupDefined
from contracts.envelope import Envelope, Message


async def apply_groups(session: Work, messages: Sequence[Envelope[Message]], tables: Tables) -> None:
    """Writes down which groups there are; the name that was said last stands."""
    table = tables[groups.name]
    latest = {
        message.data.group_id: {
            "group_id": message.data.group_id,
            "name": message.data.name,
            "said_at": message.time,
        }
        for message in sorted(messages, key=lambda message: message.time)
        if isinstance(message.data, GroupDefined)
    }
    await write_rows(session, _naming(table), list(latest.values()))


@lru_cache
def _naming(table: Table) -> Insert:
    rows = insert(table)
    return rows.on_conflict_do_update(
        index_elements=[table.c.group_id],
        set_={"name": rows.excluded.name, "said_at": rows.excluded.said_at},
        where=rows.excluded.said_at > table.c.said_at,
    )


PROJECTIONS = {
    projection.name: projection
    for projection in (
        Projection("groups", (topics.AUTH_GROUPS,), (groups,), apply_groups),
        memberships_projection(memberships),
    )
}
