"""The one rule for what stands in the way of a restart: the portal shows by it, the orchestrator decides by it."""

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.restart import Refusal, RefusalReason, When
from contracts.words import REMOTE_RESTART, Role

ROLES_THAT_RESTART = frozenset({Role.SUPER_ADMINISTRATOR, Role.ADMINISTRATOR})
FIRMWARE_SILENCE_S = 7200.0
"""How long a firmware update is believed in of which nothing more is heard, unless a service is told otherwise."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the rule looks at, as far as it is known.

    Attributes:
        role: the person's role in the charger's group; None for someone who is not a member.
        plan: the group's plan; None while none is known, which blocks as any plan without the feature does.
        features: what the plan carries.
        model: the charger's model, for people.
        abilities: what the charger can do.
        online: it has an open session.
        offline_since: ISO 8601, for people; empty when never seen.
        transactions: the connectors on which a transaction runs.
        updating_firmware: a firmware update is believed to be under way.
        open_attempt: the attempt under way.
    """

    role: Role | None
    plan: str | None
    features: frozenset[str]
    model: str
    abilities: frozenset[str]
    online: bool
    offline_since: str = ""
    transactions: tuple[str, ...] = ()
    updating_firmware: bool = False
    open_attempt: str | None = None


def blocked_by(situation: Situation, *, when: When = When.NOW, interrupt_charging: bool = False) -> tuple[Refusal, ...]:
    """Everything that stands in the way, not only the first; empty when a restart is available.

    A request to wait (`when`) is not blocked by what it waits for.
    """
    return tuple(_blocks(situation, when, interrupt_charging=interrupt_charging))


def _blocks(s: Situation, when: When, *, interrupt_charging: bool) -> Iterator[Refusal]:
    if s.role is None:
        yield Refusal(reason=RefusalReason.NOT_A_MEMBER, lifted_by="group_administrators")
    elif s.role not in ROLES_THAT_RESTART:
        yield Refusal(reason=RefusalReason.ROLE, params={"role": s.role.value}, lifted_by="group_administrators")
    if REMOTE_RESTART not in s.features:
        yield Refusal(reason=RefusalReason.PLAN, params={"plan": s.plan or ""}, lifted_by="super_administrator")
    if REMOTE_RESTART not in s.abilities:
        yield Refusal(reason=RefusalReason.MODEL, params={"model": s.model}, lifted_by="nobody")
    if not s.online and when is not When.ONLINE:
        yield Refusal(reason=RefusalReason.OFFLINE, params={"since": s.offline_since}, lifted_by="waiting")
    if s.transactions and when is When.NOW and not interrupt_charging:
        yield Refusal(
            reason=RefusalReason.CHARGING, params={"connectors": ", ".join(s.transactions)}, lifted_by="waiting"
        )
    if s.updating_firmware:
        yield Refusal(reason=RefusalReason.UPDATING_FIRMWARE, lifted_by="waiting")
    if s.open_attempt is not None:
        yield Refusal(
            reason=RefusalReason.ALREADY_RESTARTING, params={"attempt_id": s.open_attempt}, lifted_by="waiting"
        )
