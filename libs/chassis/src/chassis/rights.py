"""What a role in a group allows: one rule and one wording for every service."""

from chassis.http import Problem
from chassis.tokens import Person
from contracts.words import Role

EVERY_ROLE = frozenset(Role)
"""Who is in the group at all."""
MANAGING_ROLES = frozenset({Role.SUPER_ADMINISTRATOR})
"""Who may change the group itself: its plan, its members, its policies."""


def check(person: Person, role: Role | None, group_id: str, allowed: frozenset[Role]) -> None:
    """The person, who is `role` in the group, may do what `allowed` may. Operators of this system may do everything.

    Raises Problem: 404 for who is not in the group, in the words that an unknown group gets, else 403.
    """
    if person.operator or role in allowed:
        return
    if role is None:
        raise Problem(404, f"There is no group {group_id!r}, or you are not in it")
    who = " or ".join(sorted(each.replace("_", "-", 1) for each in allowed))
    mine = role.replace("_", "-", 1)
    raise Problem(403, f"Only a {who} of group {group_id!r} may do this; you are {mine} there", role=role.value)
