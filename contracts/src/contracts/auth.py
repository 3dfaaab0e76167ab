"""What auth says: groups, who is what in them, and the keys that its tokens are signed with."""

from typing import ClassVar, Self

from contracts.envelope import Message, Tombstone
from contracts.words import Counter, GroupId, Label, Role, Timestamp, UserId


class GroupDefined(Message):
    """A group exists, under this name."""

    wire_type: ClassVar[str] = "auth.group-defined.v1"

    group_id: GroupId
    name: Label

    def key(self) -> str:
        return self.group_id


class MembershipGranted(Message):
    """A person has this role in this group; it replaces any role they had there.

    `version` grows with each change of the same membership.
    """

    wire_type: ClassVar[str] = "auth.membership-granted.v1"

    group_id: GroupId
    user_id: UserId
    name: Label
    role: Role
    version: Counter

    def key(self) -> str:
        return f"{self.group_id}/{self.user_id}"


class MembershipEnded(Tombstone):
    """A person is no longer a member of the group."""

    wire_type: ClassVar[str] = "auth.membership-ended.v1"

    group_id: GroupId
    user_id: UserId

    def key(self) -> str:
        return f"{self.group_id}/{self.user_id}"

    @classmethod
    def from_key(cls, key: str) -> Self:
        group_id, _, user_id = key.partition("/")
        return cls(group_id=group_id, user_id=user_id)


class SigningKeyPublished(Message):
    """Tokens signed with this key are auth's. Carries the public half only."""

    wire_type: ClassVar[str] = "auth.signing-key-published.v1"

    kid: str
    algorithm: str
    public_jwk: dict[str, str]
    published_at: Timestamp

    def key(self) -> str:
        return self.kid


class SigningKeyRetired(Tombstone):
    """Tokens signed with this key are no longer accepted."""

    wire_type: ClassVar[str] = "auth.signing-key-retired.v1"

    kid: str

    def key(self) -> str:
        return self.kid

    @classmethod
    def from_key(cls, key: str) -> Self:
        return cls(kid=key)
