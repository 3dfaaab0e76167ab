"""What a model can do."""

from pathlib import Path

import pytest

from contracts.words import REMOTE_RESTART
from fleet.models import Catalogue, CatalogueUnreadableError, Model


@pytest.mark.parametrize(
    "name", ["Pulsar", "Pulsar Plus", "Pulsar Max", "Pulsar Pro", "pulsar-plus", "WALLBOX  Pulsar_Plus", " Pulsar "]
)
def test_a_pulsar_cannot_restart_however_it_is_written(name: str) -> None:
    assert Catalogue.read().abilities(name) == frozenset()


@pytest.mark.parametrize("name", ["Copper SB", "Terra AC", "A model nobody has heard of", "Pulsarium"])
def test_others_can_restart(name: str) -> None:
    assert Catalogue.read().abilities(name) == {REMOTE_RESTART}


def test_two_models_of_one_name_are_refused() -> None:
    twins = [Model(vendor="A", name="One", abilities=frozenset()), Model(vendor="B", name="one", abilities=frozenset())]

    with pytest.raises(CatalogueUnreadableError, match="two models of the catalogue are called 'one'"):
        Catalogue(twins)


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text('[{"vendor": "A"}]')

    with pytest.raises(CatalogueUnreadableError, match=r"models\.json is wrong"):
        Catalogue.read(file)
