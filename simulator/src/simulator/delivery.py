"""Messages that must arrive: kept until answered, across sockets and restarts (1.6 section 4.10, B12.FR.05)."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from simulator.connection import CallRefusedError, Connection, SocketGoneError, UnansweredError
from simulator.frames import Json


@dataclass(slots=True)
class Letter:
    """One message on its way.

    Attributes:
        action: the OCPP action.
        build: makes the payload at each sending; None means that it has become pointless.
        answered: is told the answer.
    """

    action: str
    build: Callable[[], Json | None]
    answered: Callable[[Json], None] = lambda _answer: None


class Delivery:
    """Sends letters in order; one that stays unanswered is sent again on the next socket, under a new message id."""

    def __init__(self, answer_timeout: float) -> None:
        self.letters: deque[Letter] = deque()
        self._answer_timeout = answer_timeout
        self._turn = asyncio.Lock()

    def put(self, letter: Letter) -> None:
        self.letters.append(letter)

    async def deliver(self, connection: Connection) -> None:
        """Send what is waiting, oldest first, until nothing is left or the socket fails."""
        async with self._turn:
            while self.letters:
                letter = self.letters[0]
                payload = letter.build()
                if payload is not None:
                    try:
                        answer = await connection.call(letter.action, payload, self._answer_timeout)
                    except (SocketGoneError, UnansweredError):
                        return
                    except CallRefusedError as refused:
                        if refused.code == "SecurityError":
                            return
                    else:
                        letter.answered(answer)
                self.letters.popleft()
