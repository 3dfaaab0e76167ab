"""What the portal's routes work with, and how they reach it."""

from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from chassis.clock import Clock
from chassis.database import Database
from contracts.envelope import Envelope, Message
from contracts.topics import Topic
from portal.forward import Forwarder
from portal.limits import Limits
from portal.live import Hub
from portal.settings import PortalSettings
from portal.words import Catalogue


class Publishes(Protocol):
    """Publishes a message; returns when Kafka has it."""

    async def publish(self, topic: Topic, envelope: Envelope[Message]) -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a running portal."""

    settings: PortalSettings
    database: Database
    publisher: Publishes
    clock: Clock
    hub: Hub
    forwarder: Forwarder
    words: Catalogue
    limits: Limits


async def _context(request: Request) -> Context:
    context: Context = request.app.state.portal
    return context


Portal = Annotated[Context, Depends(_context)]
