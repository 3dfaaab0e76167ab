"""What billing says: the plan each group has, and what the plan carries."""

from typing import ClassVar

from contracts.envelope import Message
from contracts.words import Counter, GroupId, Plan


class PlanSet(Message):
    """A group has this plan, with these features. `version` grows with each change of the same group."""

    wire_type: ClassVar[str] = "billing.plan-set.v1"

    group_id: GroupId
    plan: Plan
    features: frozenset[str]
    version: Counter

    def key(self) -> str:
        return self.group_id
