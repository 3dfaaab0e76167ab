"""The catalogue of charger models and what each can do, read from a data file."""

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from contracts.words import REMOTE_RESTART, Label

BUILT_IN = Path(__file__).with_name("models.json")

ABILITIES_OF_UNKNOWN = frozenset({REMOTE_RESTART})
"""Of a model that the catalogue does not name: OCPP requires Reset of every charger, so the exceptions are listed."""


class Model(BaseModel):
    """One model. Ability names are an open list: readers ignore those they don't know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vendor: Label
    name: Label
    abilities: frozenset[str]


class CatalogueUnreadableError(Exception):
    """The data file does not say what each model can do."""


class Catalogue:
    """Models by name. Case, spaces, hyphens and a leading vendor's name don't matter: `WALLBOX pulsar-plus` is one."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = tuple(sorted(models, key=lambda model: (model.vendor.casefold(), model.name.casefold())))
        self._by_name: dict[str, Model] = {}
        for model in self.models:
            for name in (_plain(model.name), _plain(f"{model.vendor} {model.name}")):
                if name in self._by_name:
                    raise CatalogueUnreadableError(f"two models of the catalogue are called {model.name!r}")
                self._by_name[name] = model

    @classmethod
    def read(cls, file: Path = BUILT_IN) -> "Catalogue":
        """Raises CatalogueUnreadableError, with the reason in words."""
        try:
            return cls(TypeAdapter(list[Model]).validate_json(file.read_bytes()))
        except OSError as error:
            raise CatalogueUnreadableError(f"the model catalogue {file} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise CatalogueUnreadableError(f"the model catalogue {file} is wrong: {error}") from error

    def abilities(self, name: str) -> frozenset[str]:
        """What a charger of this model can do."""
        model = self._by_name.get(_plain(name))
        return ABILITIES_OF_UNKNOWN if model is None else model.abilities


def _plain(name: str) -> str:
    return re.sub(r"[\s\-_]+", " ", name).strip().casefold()
