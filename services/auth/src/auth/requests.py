"""The bodies of requests and answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from auth.passwords import LONGEST, SHORTEST
from contracts.words import Role, UserId

Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
"""Something for people to read: not empty, no control characters."""

Limit = Annotated[int, Field(ge=1, le=1000)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class LoginRequest(_Request):
    """Who wants to sign in."""

    username: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
    password: SecretStr = Field(max_length=LONGEST)


class LanguageWanted(_Request):
    """The language that a person wants to read, as a tag such as `es` or `pt-BR`; null for none in particular."""

    language: Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")] | None


class LoginAnswer(BaseModel):
    """An access token, to be sent as `Authorization: Bearer …` until it expires; and the language that they chose."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 the scheme, not a secret
    expires_at: datetime
    user_id: str
    name: str
    language: str | None = None


class GroupWanted(_Request):
    """A group as it is to be."""

    name: Words


class GroupShown(BaseModel):
    """A group."""

    group_id: str
    name: str


class GroupPage(BaseModel):
    """Some groups, in the order of their ids; ask again with `after` = `next` for those that follow."""

    items: list[GroupShown]
    next: str | None


class UserWanted(_Request):
    """A new user; without a password one is made."""

    user_id: UserId
    name: Words
    password: SecretStr | None = Field(default=None, min_length=SHORTEST, max_length=LONGEST)


class UserShown(BaseModel):
    """A user."""

    user_id: str
    name: str
    operator: bool


class UserAdded(BaseModel):
    """A new user, with the password that was made for them, which is shown this once."""

    user_id: str
    name: str
    password: str | None = None


class UserPage(BaseModel):
    """Some users, in the order of their ids; ask again with `after` = `next` for those that follow."""

    items: list[UserShown]
    next: str | None


class RoleWanted(_Request):
    """What the member is to be in the group."""

    role: Role


class MemberShown(BaseModel):
    """A person in a group."""

    group_id: str
    user_id: str
    name: str
    role: Role


class MemberPage(BaseModel):
    """Everyone in a group."""

    items: list[MemberShown]
