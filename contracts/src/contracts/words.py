"""The identifiers and closed vocabularies that more than one owner uses."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

ChargerId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*\-_=+|@.]{1,48}$")]
"""A charger's OCPP identity: OCPP 2.0.1 identifierString, at most 48 characters, no colon (OCPP-J part 4, 3.1.1)."""

GroupId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]
UserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]
Label = Annotated[str, StringConstraints(max_length=200)]
Counter = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""A number that grows and that a database column of 64 bits can hold."""

Epoch = Counter
"""Numbers the websocket sessions of one charger; a later session has a greater epoch."""

Timestamp = AwareDatetime


class Role(StrEnum):
    """What a person is in one group."""

    SUPER_ADMINISTRATOR = "super_administrator"
    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    USER = "user"


class Plan(StrEnum):
    """What a group pays for."""

    BASIC = "basic"
    STANDARD = "standard"
    BUSINESS = "business"


REMOTE_RESTART = "remote_restart"
"""The plan feature, and the charger ability, that a restart needs. Both lists are open: unknown names are ignored."""
