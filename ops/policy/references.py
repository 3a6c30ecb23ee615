"""The roles and users that a policy names must exist, which only the database knows: the check is pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from shared.decisions.decoding import Problem, path_to
from shared.decisions.policy import Assignee, Policy
from shared.decisions.policy_fields import ANY
from shared.model import Frozen

_LISTED = 20
"""So many users are named as what would be allowed; a longer list helps nobody."""


class Known(Frozen, frozen=True):
    """What a policy may name: the installation's roles and the tenant's active users, sorted."""

    roles: tuple[str, ...]
    users: tuple[UUID, ...]


def reference_problems(policy: Policy, known: Known) -> tuple[Problem, ...]:
    """Every role and user in ``policy`` that isn't known, with those that are."""
    return tuple(_problems(policy, known))


def _problems(policy: Policy, known: Known) -> Iterator[Problem]:
    yield from _unknown_roles("allowlist.roles", policy.allowlist.roles, known)
    permissions = policy.allowlist.permissions
    for name in permissions.__struct_fields__:
        yield from _unknown_roles(f"allowlist.permissions.{name}", getattr(permissions, name), known)
    named: dict[str, Mapping[str, object]] = {
        "allowlist.sites_by_role": policy.allowlist.sites_by_role,
        "ui_variants.by_role": policy.ui_variants.by_role,
    }
    for path, by_role in named.items():
        for role in by_role:
            if role not in known.roles:
                yield _no_role(path_to(path, role), role, known)
    for reason, assignee in policy.notifications.assign.items():
        yield from _unknown_assignee(path_to("notifications.assign", reason), assignee, known)
    yield from _unknown_assignee("notifications.otherwise", policy.notifications.otherwise, known)


def _unknown_roles(path: str, roles: Iterable[str], known: Known) -> Iterator[Problem]:
    for index, role in enumerate(roles):
        if role != ANY and role not in known.roles:
            yield _no_role(f"{path}[{index}]", role, known)


def _unknown_assignee(path: str, assignee: Assignee, known: Known) -> Iterator[Problem]:
    if assignee.role is not None and assignee.role not in known.roles:
        yield _no_role(f"{path}.role", assignee.role, known)
    if assignee.user is not None and assignee.user not in known.users:
        allowed = tuple(str(user) for user in known.users) if len(known.users) <= _LISTED else ()
        yield Problem(f"{path}.user", "is no active user of this tenant", allowed)


def _no_role(path: str, role: str, known: Known) -> Problem:
    return Problem(path, f"there is no role '{role}'", known.roles)
