"""The bodies of requests and answers, and how a request becomes what an operator wants."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from contracts.fleet import Registration, SecurityProfile
from contracts.words import ChargerId, GroupId
from fleet.models import Model
from fleet.operations import Outcome, Wanted
from fleet.passwords import problem_with
from fleet.store import Shown

MOST_ROWS = 5000

Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
"""Something for people to read: not empty, no control characters."""


def _nothing_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


OptionalWords = Annotated[Words | None, BeforeValidator(_nothing_if_blank)]


def _password(value: SecretStr) -> SecretStr:
    problem = problem_with(value.get_secret_value())
    if problem is not None:
        raise ValueError(problem)
    return value


class ChargerWanted(BaseModel):
    """A charger as it is to be from now on."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    group_id: GroupId
    model: Words
    label: Words
    site: OptionalWords = None
    vendor: OptionalWords = None
    security_profile: SecurityProfile
    password: Annotated[SecretStr, AfterValidator(_password)] | None = Field(
        default=None, description="16 to 40 characters. Without one a charger keeps the password that it has."
    )
    generate_password: bool = Field(
        default=False, description="Make a password where the charger has none; the answer shows it, once."
    )

    @field_validator("generate_password")
    @classmethod
    def _one_password(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("password") is not None:
            raise ValueError("give a password or have one made, not both")
        return value

    def wanted(self, charger_id: str) -> Wanted:
        return Wanted(
            charger_id=charger_id,
            group_id=self.group_id,
            label=self.label,
            model=self.model,
            security_profile=self.security_profile,
            site=self.site,
            vendor=self.vendor,
            password=self.password.get_secret_value() if self.password is not None else None,
            generate_password=self.generate_password,
        )


class ImportedCharger(ChargerWanted):
    """One row of an import."""

    charger_id: ChargerId


class Import(BaseModel):
    """Many chargers at once. Each row is checked by itself, so it stands here as it came."""

    model_config = ConfigDict(extra="forbid")

    chargers: list[dict[str, Any]] = Field(
        max_length=MOST_ROWS,
        description="Rows: `charger_id` and all that a single charger's PUT takes.",
    )


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    detail: str


class RowResult(BaseModel):
    """What became of one row; `row` counts from 1."""

    row: int
    charger_id: str | None
    status: Outcome
    password: str | None = Field(default=None, description="The one that was made for it, shown this once.")
    detail: str | None = Field(default=None, description="Why it was refused, for people.")
    errors: list[FieldError] = Field(default_factory=list)


class ImportResult(BaseModel):
    """What became of each row, in their order."""

    results: list[RowResult]


class RegistrationWanted(BaseModel):
    """What the charger's next boot is to be answered."""

    model_config = ConfigDict(extra="forbid")

    registration: Registration


class NewPassword(BaseModel):
    """The charger's new password; it is not kept, and not shown again."""

    charger_id: str
    password: str


class Connectivity(BaseModel):
    """Whether the charger is online, since when, and on which socket session."""

    online: bool
    since: datetime
    epoch: int
    protocol: str | None


class ChargerShown(BaseModel):
    """A charger."""

    charger_id: str
    group_id: str
    label: str
    site: str | None
    vendor: str | None
    model: str
    abilities: list[str]
    security_profile: SecurityProfile
    registration: Registration
    connectivity: Connectivity | None = Field(description="None for a charger that was never seen.")

    @classmethod
    def of(cls, shown: Shown, **more: Any) -> Self:
        is_now, seen = shown.description, shown.seen
        return cls(
            charger_id=shown.charger_id,
            group_id=is_now.group_id,
            label=is_now.label,
            site=is_now.site,
            vendor=is_now.vendor,
            model=is_now.model,
            abilities=sorted(is_now.abilities),
            security_profile=shown.security_profile,
            registration=shown.registration,
            connectivity=None
            if seen is None
            else Connectivity(online=seen.online, since=seen.since, epoch=seen.epoch, protocol=seen.protocol),
            **more,
        )


class ChargerRegisteredAnswer(ChargerShown):
    """A charger, with the password that was made for it, which is shown this once."""

    password: str | None = None


class ChargerPage(BaseModel):
    """Some chargers, in the order of their ids; ask again with `after` = `next` for those that follow."""

    items: list[ChargerShown]
    next: str | None


class ModelPage(BaseModel):
    """The model catalogue."""

    items: list[Model]


Limit = Annotated[int, Field(ge=1, le=1000)]
