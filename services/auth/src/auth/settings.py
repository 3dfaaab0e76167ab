"""What an auth process is told."""

import base64
import binascii
from datetime import timedelta

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from auth.passwords import SHORTEST
from chassis.settings import ServiceSettings
from contracts.words import UserId

KEY_BYTES = 32


class Settings(ServiceSettings):
    """Beside the shared settings, each with the prefix `AUTH_`.

    Attributes:
        operator_username: the platform operator's.
        operator_password: without one there is no platform operator.
        token_lifetime_s: how long an access token is good for, in seconds.
        signing_key_lead_s: how long a new signing key is published before it signs, in seconds.
        key_encryption_key: base64 of 32 random bytes that encrypt the private signing keys at rest.
        login_tries_per_minute: for one user name.
    """

    model_config = SettingsConfigDict(env_prefix="AUTH_")

    operator_username: UserId = "operator"
    operator_password: SecretStr | None = Field(default=None, min_length=SHORTEST)
    token_lifetime_s: int = Field(default=3600, ge=60, le=86_400)
    signing_key_lead_s: int = Field(default=30, ge=0, le=3600)
    key_encryption_key: SecretStr | None = None
    login_tries_per_minute: int = Field(default=10, ge=1)

    @field_validator("key_encryption_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(_decoded(value)) != KEY_BYTES:
            raise ValueError(f"must be {KEY_BYTES} random bytes in base64")
        return value

    @property
    def token_lifetime(self) -> timedelta:
        return timedelta(seconds=self.token_lifetime_s)

    @property
    def signing_key_lead(self) -> timedelta:
        return timedelta(seconds=self.signing_key_lead_s)

    @property
    def encryption_key(self) -> bytes | None:
        """The bytes of `key_encryption_key`."""
        return None if self.key_encryption_key is None else _decoded(self.key_encryption_key)


def _decoded(value: SecretStr) -> bytes:
    text = value.get_secret_value()
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not base64") from error
