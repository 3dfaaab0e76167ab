"""What is committed is what the models say, and every example follows it."""

from pathlib import Path

import contracts
from contracts import topics
from contracts.check import check
from contracts.generated import differences, generate

HOME = Path(contracts.__file__).parents[2]


def test_the_generated_files_are_up_to_date() -> None:
    assert list(differences(HOME, generate(topics.ALL))) == []


def test_nothing_stands_against_publishing_these_contracts() -> None:
    assert [str(refused) for refused in check(HOME, topics.ALL, None).refused] == []
