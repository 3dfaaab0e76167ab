"""What a projection is: tables that follow topics, and that can be built again from offset 0 beside the live ones."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import MetaData, Table

from chassis.database import Work
from contracts.envelope import Envelope, Message
from contracts.topics import Topic

Tables = Mapping[str, Table]
"""The tables to write to, by the name that each has when it is live."""

Apply = Callable[[Work, Sequence[Envelope[Message]], Tables], Awaitable[None]]
"""Writes what the messages say, in their order, and nothing else: no outbox, no timer.

It must give the same rows whether a message comes once or often, and whatever came of another topic in between.
"""


@dataclass(frozen=True, slots=True)
class Projection:
    """Tables that say again what topics said.

    Attributes:
        name: what people call it, unique within its service.
        topics: what it is built from.
        tables: where it lives, in the service's own schema; nothing but `apply` writes to them.
        apply: how messages become rows.
        settle: brings in line what else the service keeps that derives from the live tables, after a replay has put
            them right; in its transaction.
    """

    name: str
    topics: tuple[Topic, ...]
    tables: tuple[Table, ...]
    apply: Apply
    settle: Callable[[Work], Awaitable[None]] | None = None

    @property
    def live(self) -> Tables:
        """The tables that the service reads."""
        return {table.name: table for table in self.tables}

    def beside(self, suffix: str) -> Tables:
        """Tables of the same shape, named with `suffix`, in the same schema, that a rebuild fills."""
        copies = {table.name: table.to_metadata(MetaData(), name=f"{table.name}{suffix}") for table in self.tables}
        for copy in copies.values():
            for constraint in copy.constraints:
                constraint.name = None  # the live table's own is taken; PostgreSQL finds another
        return copies
