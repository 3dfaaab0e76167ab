"""Settings of a service process, read from its environment, with errors that name the variable."""

import difflib
import os
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, PostgresDsn, Secret, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What every service is told. A subclass adds its own fields and sets `env_prefix` for them.

    The shared names have no prefix: `DATABASE_URL`, `KAFKA_BOOTSTRAP_SERVERS`, and so on. Values may also be given by
    field name, which tests do. An environment variable that has the subclass's prefix but names no setting is refused:
    a misspelt limit that silently keeps its default is worse than a service that does not start.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    database_url: Secret[PostgresDsn] | None = Field(default=None, validation_alias="DATABASE_URL")
    kafka_bootstrap_servers: str = Field(default="127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    kafka_username: str | None = Field(default=None, validation_alias="KAFKA_USERNAME")
    kafka_password: SecretStr | None = Field(default=None, validation_alias="KAFKA_PASSWORD")
    kafka_tls: bool = Field(default=False, validation_alias="KAFKA_TLS")
    http_host: str = Field(default="127.0.0.1", validation_alias="HTTP_HOST")
    http_port: int = Field(default=0, ge=0, le=65535, validation_alias="HTTP_PORT")
    operations_port: int | None = Field(default=None, ge=0, le=65535, validation_alias="OPERATIONS_PORT")
    log_level: str = Field(default="INFO", validation_alias="LOG_LEVEL")
    log_format: Literal["json", "console"] = Field(default="json", validation_alias="LOG_FORMAT")
    instance_id: str | None = Field(
        default=None, min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$", validation_alias="INSTANCE_ID"
    )

    @classmethod
    def prefix(cls) -> str:
        """What the names of this service's own variables begin with."""
        return (cls.model_config.get("env_prefix") or "").upper()

    @model_validator(mode="before")
    @classmethod
    def _refuse_misspelt_variables(cls, values: Any) -> Any:
        prefix = cls.prefix()
        if not prefix:
            return values
        known = {f"{prefix}{name}".upper() for name in cls.model_fields}
        nested = cls.model_config.get("env_nested_delimiter")
        for variable in sorted(os.environ):
            name = variable.upper()
            if not name.startswith(prefix) or (name.split(nested)[0] if nested else name) in known:
                continue
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; the settings are {', '.join(sorted(known))}"
            raise ValueError(f"environment variable {variable} names no setting{hint}")
        return values

    @model_validator(mode="after")
    def _credentials_come_in_pairs(self) -> "ServiceSettings":
        if (self.kafka_username is None) != (self.kafka_password is None):
            raise ValueError("KAFKA_USERNAME and KAFKA_PASSWORD must be set together, or neither")
        return self


_SHARED = frozenset(str(field.validation_alias) for field in ServiceSettings.model_fields.values())


def _subclasses(kind: type[ServiceSettings]) -> Iterator[type[ServiceSettings]]:
    for below in kind.__subclasses__():
        yield below
        yield from _subclasses(below)


def explain(error: ValidationError) -> str:
    """The settings error as lines for people: one per variable, without the value, which may be a secret."""
    prefix = next((kind.prefix() for kind in _subclasses(ServiceSettings) if kind.__name__ == error.title), "")
    lines = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in problem["loc"])
        if where and where not in _SHARED:
            where = f"{prefix}{where}".upper()
        said = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {said}" if where else said)
    return "\n".join(lines)
