"""Chargers that behave and misbehave, over real websockets."""

from simulator.charger import Charger
from simulator.connection import CallRefusedError, Ending, SocketGoneError, UnansweredError
from simulator.dialects import PROTOCOLS
from simulator.dialing import open_session
from simulator.facts import Entry, Facts, HandshakeRefused, ResetSeen
from simulator.fleet import ChargerSpec, Fleet, read_fleet_file
from simulator.personalities import NAMED, Personality, Restarting
from simulator.reset import Reset

__all__ = [
    "NAMED",
    "PROTOCOLS",
    "CallRefusedError",
    "Charger",
    "ChargerSpec",
    "Ending",
    "Entry",
    "Facts",
    "Fleet",
    "HandshakeRefused",
    "Personality",
    "Reset",
    "ResetSeen",
    "Restarting",
    "SocketGoneError",
    "UnansweredError",
    "open_session",
    "read_fleet_file",
]
