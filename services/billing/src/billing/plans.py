"""The plans and what each carries, read from a data file: selling a feature with a plan takes no code."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.words import Label, Plan

BUILT_IN = Path(__file__).with_name("plans.json")


class PlanOffer(BaseModel):
    """One plan as it is sold. Feature names are an open list: readers ignore those they don't know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: Plan
    title: Label
    features: frozenset[str] = Field(default_factory=frozenset)


class PlansUnreadableError(Exception):
    """The data file does not say what each plan carries."""


def read_plans(file: Path = BUILT_IN) -> Mapping[Plan, PlanOffer]:
    """The offers by plan, in the order of the file. Raises PlansUnreadableError unless each plan is there once."""
    try:
        offers = TypeAdapter(list[PlanOffer]).validate_json(file.read_bytes())
    except OSError as error:
        raise PlansUnreadableError(f"the plans file {file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise PlansUnreadableError(f"the plans file {file} is wrong: {error}") from error
    if sorted(offer.plan for offer in offers) != sorted(Plan):
        raise PlansUnreadableError(f"the plans file {file} must name each of {', '.join(sorted(Plan))} exactly once")
    return {offer.plan: offer for offer in offers}
