"""Which chargers are being restarted at the moment, as the restart orchestrator's record of attempts tells."""

from uuid import UUID

from contracts.envelope import Envelope, Message
from contracts.restart import TERMINAL, AttemptMoved


class OpenAttempts:
    """The chargers with an attempt that is not over. `charger_id in open_attempts` asks; as fresh as what was read.

    Give it every record of restart.attempts.v1 from a moment on: an attempt whose last move is older than that moment
    is not known to be open. Its memory is that of the open attempts.
    """

    def __init__(self) -> None:
        self._open: dict[str, set[UUID]] = {}

    def __contains__(self, charger_id: object) -> bool:
        return charger_id in self._open

    def __len__(self) -> int:
        return len(self._open)

    def apply(self, envelope: Envelope[Message]) -> None:
        """Takes a record of restart.attempts.v1 in."""
        moved = envelope.data
        if not isinstance(moved, AttemptMoved):
            return
        if moved.status not in TERMINAL:
            self._open.setdefault(moved.charger_id, set()).add(moved.attempt_id)
            return
        attempts = self._open.get(moved.charger_id)
        if attempts is not None:
            attempts.discard(moved.attempt_id)
            if not attempts:
                del self._open[moved.charger_id]
