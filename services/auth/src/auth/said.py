"""What auth says, as envelopes whose ids derive from what they are about."""

from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from chassis.telemetry import current_traceparent
from contracts.envelope import Envelope, Message, derived_id, service_source
from contracts.topics import Service

SOURCE = service_source(Service.AUTH)
_ORIGIN = uuid5(NAMESPACE_URL, SOURCE)


def said(message: Message, *, version: int, now: datetime) -> Envelope[Message]:
    """The message in its envelope. The same key and version always give the same id."""
    return Envelope(
        id=derived_id(_ORIGIN, f"{message.wire_type}/{message.key()}/{version}"),
        source=SOURCE,
        time=now,
        data=message,
        traceparent=current_traceparent(),
    )
