"""What plans carry is data, and wrong data is told apart from none."""

from pathlib import Path

import pytest

from billing.plans import PlansUnreadableError, read_plans
from contracts.words import REMOTE_RESTART, Plan


def test_remote_restart_comes_with_standard_and_business_and_not_with_basic() -> None:
    offers = read_plans()

    assert REMOTE_RESTART not in offers[Plan.BASIC].features
    assert REMOTE_RESTART in offers[Plan.STANDARD].features
    assert REMOTE_RESTART in offers[Plan.BUSINESS].features


def test_business_carries_more_than_standard() -> None:
    offers = read_plans()

    assert offers[Plan.BUSINESS].features > offers[Plan.STANDARD].features


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "must name each of basic, business, standard exactly once"),
        ('[{"plan": "gold", "title": "Gold", "features": []}]', "plan"),
        ("{", "is wrong"),
    ],
)
def test_a_file_that_does_not_say_what_each_plan_carries_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "plans.json"
    file.write_text(content)

    with pytest.raises(PlansUnreadableError, match=said):
        read_plans(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlansUnreadableError, match=r"nowhere\.json cannot be read"):
        read_plans(tmp_path / "nowhere.json")
