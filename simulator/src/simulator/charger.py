"""A simulated charger: the object that tests, demos and benchmarks hold in their hands."""

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from ssl import SSLContext
from time import monotonic

from simulator.charging import Charging
from simulator.connection import Connection, Ending
from simulator.dialects import RefusedError, dialect_of
from simulator.dialing import Endpoint
from simulator.facts import Entry, Facts, ResetSeen
from simulator.frames import Incoming, Json, call as call_frame, new_message_id
from simulator.personalities import Personality, personality_of
from simulator.reset import Reset
from simulator.station import Plate

ResetCallback = Callable[["Charger", Reset], None]

STATUS_DELAY_S = 0.1


class Charger(Charging):
    """One charger over one websocket at a time.

    Args:
        identity: its OCPP identity.
        url: the server's address without the identity, such as `ws://127.0.0.1:9000/ocpp`.
        password: for Basic auth; None sends none.
        protocol: `ocpp1.6`, `ocpp2.0.1` or `ocpp2.1`.
        personality: a name in `simulator.personalities.NAMED`, or an instance made for this charger alone.
        model: on the type plate, like `vendor` and `firmware`.
        serial: on it too; made of the identity unless given. With security profile 3 it is the certificate's CN.
        connectors: connectors (1.6) or EVSEs with one connector each (2.x).
        speed: 10 makes all its own delays ten times shorter, those that the server asks for included.
        seed: of its randomness; the identity is always part of it, so that two chargers differ.
        answer_timeout: real seconds that it waits for an answer, whatever the speed.
        transcript_limit: newest entries to keep in `facts.transcript`; 0 keeps none, for benchmarks.
        ssl: for wss; with a client certificate in it, this is security profile 3.
    """

    def __init__(
        self,
        identity: str,
        url: str,
        password: str | bytes | None = None,
        protocol: str = "ocpp1.6",
        personality: str | Personality = "healthy",
        *,
        model: str = "Simulated One",
        vendor: str = "Comeback",
        firmware: str = "1.0.0",
        serial: str | None = None,
        connectors: int = 1,
        speed: float = 1.0,
        seed: int | None = None,
        answer_timeout: float = 60.0,
        transcript_limit: int = 1000,
        ssl: SSLContext | None = None,
    ) -> None:
        secret = password.encode() if isinstance(password, str) else password
        facts = Facts(transcript=deque(maxlen=transcript_limit))
        super().__init__(
            Endpoint(url, identity, secret, (protocol,), ssl),
            facts,
            dialect=dialect_of(protocol),
            connectors=connectors,
            speed=speed,
            random=Random(f"{seed}/{identity}"),
            answer_timeout=answer_timeout,
        )
        self.plate = Plate(vendor, model, serial or f"SN-{identity}"[:25], firmware)
        self.settings = self.dialect.settings(self.plate, connectors)
        self.personality = personality_of(personality)
        self._reset_callbacks: list[ResetCallback] = []
        self._reset_script: asyncio.Task[None] | None = None

    @property
    def identity(self) -> str:
        return self.endpoint.identity

    @property
    def protocol(self) -> str:
        return self.dialect.protocol

    @property
    def is_2(self) -> bool:
        """Whether it speaks OCPP 2.0.1 or 2.1."""
        return self.protocol != "ocpp1.6"

    def on_reset(self, callback: ResetCallback) -> None:
        """Call back, at once and in the event loop, for every Reset frame that arrives."""
        self._reset_callbacks.append(callback)

    def on_entry(self, callback: Callable[[Entry], None]) -> None:
        """Call back for every line of the transcript."""
        self.facts.listeners.append(callback)

    # -- commands, for tests and demos (transactions, faults and statuses are in Charging, the network in Life)

    async def power_cycle(self, away: float = 5.0, *, resume: bool = False) -> None:
        """Switch the power off and on.

        A running transaction ends with reason PowerLoss once the charger is back, or with `resume` goes on as if
        nothing had happened: the field knows both.
        """
        if not resume:
            for connector in self.running():
                self.end_silently(connector, "PowerLoss")
        self._reset_script = None
        await self.restart(away=away, ending=Ending.ABRUPT, reason="PowerUp")

    async def call(self, action: str, payload: Json) -> Json:
        """Send any CALL and return its answer; errors as `Connection.call`."""
        return await (await self.connected()).call(action, payload, self.answer_timeout)

    async def send_raw(self, text: str | bytes) -> None:
        """Send one text frame as it is, for instance one that is not OCPP."""
        await (await self.connected()).send(text)

    async def flood(self, count: int, action: str = "Heartbeat", payload: Json | None = None) -> None:
        """Send many calls without waiting for any answer."""
        connection = await self.connected()
        for _ in range(count):
            await connection.send(call_frame(new_message_id(), action, payload or {}))

    async def send_firmware_status(self, status: str) -> None:
        """Send a FirmwareStatusNotification, such as Downloading or Installing."""
        action, payload = self.dialect.firmware_status(status)
        await self.call(action, payload)

    async def update_firmware(self, version: str, seconds: float = 20.0) -> None:
        """Pretend to download and install, then restart with the new version on the type plate."""
        for status in ("Downloading", "Downloaded", "Installing"):
            await self.send_firmware_status(status)
            await self.pause(seconds / 3)
        self.plate = Plate(self.plate.vendor, self.plate.model, self.plate.serial, version)
        await self.restart(away=5.0, reason="FirmwareUpdate")
        await self.booted()
        await self.send_firmware_status("Installed")

    async def use_password(self, password: bytes) -> None:
        """Take a new password and connect anew with it (A01.FR.03)."""
        self.endpoint.password = password
        await self.blink(0.5, Ending.NORMAL)

    def settings_changed(self) -> None:
        """Let changed settings take effect."""
        heartbeat, sample = self.dialect.timing_keys
        wanted = self.settings[heartbeat].value
        if wanted.isdigit() and int(wanted) > 0:
            self.heartbeat_interval = float(wanted)
            self._schedule_heartbeat()
        if self.settings[sample].value.isdigit():
            self.sample_interval = float(self.settings[sample].value)
            self.sample_periodically()

    def forget_earlier_resets(self) -> None:
        """Stop acting on earlier Resets; the script that calls this takes their place."""
        current = asyncio.current_task()
        if self._reset_script is not None and self._reset_script is not current:
            self._reset_script.cancel()
        self._reset_script = current

    # -- Life's hooks

    def boot_payload(self, reason: str | None) -> Json:
        return self.dialect.boot(self.plate, reason)

    async def before_boot(self, connection: Connection) -> None:
        await self.personality.before_boot(self, connection)

    async def after_boot(self, connection: Connection) -> None:
        await self.pause(STATUS_DELAY_S)
        await self.report()
        await self.delivery.deliver(connection)
        self.sample_periodically()
        self.run_script(self.personality.booted(self))

    async def after_return(self, connection: Connection) -> None:
        await self.report_changes()
        await self.delivery.deliver(connection)

    def software_started(self) -> None:
        for connector in self.connectors.values():
            connector.software_started()

    def software_ended(self) -> None:
        super().software_ended()
        self._reset_script = None
        self.stop_sampling()

    def take_call(self, connection: Connection, frame: Incoming) -> None:
        payload = frame.payload if isinstance(frame.payload, dict) else {}
        if self.facts.registration == "Rejected":
            self.run_in_background(connection.refuse(frame.message_id, "SecurityError", "not registered"))
            return
        self.personality.called(self, frame.action)
        if frame.action != "Reset":
            self.run_in_background(self._answer(connection, frame, payload))
            return
        try:
            kind, evse_id = self.dialect.reset_of(payload)
        except RefusedError as refused:
            self.run_in_background(connection.refuse(frame.message_id, refused.code, str(refused)))
            return
        now = monotonic()
        self.facts.resets.append(ResetSeen(now, frame.message_id, kind, evse_id, connection.number))
        reset = Reset(frame.message_id, kind, evse_id, now, self.speed, connection)
        for callback in self._reset_callbacks:
            callback(self, reset)
        if self._reset_script is not None and not self._reset_script.done():
            self.run_script(self.personality.reset_again(self, reset))
        else:
            self._reset_script = self.run_script(self.personality.reset(self, reset))

    async def _answer(self, connection: Connection, frame: Incoming, payload: Json) -> None:
        try:
            answer = self.dialect.answer(self, frame.action, payload)
        except RefusedError as refused:
            await connection.refuse(frame.message_id, refused.code, str(refused))
            return
        except (KeyError, TypeError, ValueError, AttributeError) as senseless:
            code = "FormatViolation" if self.is_2 else "FormationViolation"
            await connection.refuse(frame.message_id, code, f"{frame.action}: {senseless!r}")
            return
        await connection.reply(frame.message_id, answer.payload)
        if answer.then is not None:
            await answer.then()
