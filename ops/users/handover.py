"""The open items of somebody who works here no more go to whom the policy would give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Engine
from uuid_utils.compat import uuid7

from ops.installation import Refused
from ops.policy.document import told
from ops.transaction import transaction
from shared.core import SharedPatientStateCore
from shared.decisions.policy import PolicyError
from shared.messaging.codec import Message
from shared.model import CorrelationId, TenantId, UserId
from shared.persistence.pending import patients_with_items_of
from shared.views import System


class HandedOver(NamedTuple):
    """How many items went to others, and about how many patients some stay, which nobody else gets."""

    items: int
    patients_left: int


class _Relayed:
    """Publishes nothing: the relay finds the outbox rows within its minute."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Leaves it to the relay."""


def hand_over_items(engine: Engine, master_secret: bytes, tenant_id: TenantId, user_id: UserId) -> HandedOver:
    """Hands over what is open for a disabled user in person, each patient in a transaction of its own.

    Interrupted, it is run again for the rest. Refused when the stored policy can't be read.
    """
    core = SharedPatientStateCore(engine, _Relayed(), master_secret)
    system = System(tenant_id=tenant_id, correlation_id=CorrelationId(uuid7()))
    with transaction(engine, tenant_id) as uow:
        patients = patients_with_items_of(uow, tenant_id, user_id)
    try:
        items = sum(core.hand_over(system, patient, user_id) for patient in patients)
    except PolicyError as error:
        raise Refused(
            told("The policy is no valid one, so the open items stay with the disabled user:", error.problems)
        ) from None
    with transaction(engine, tenant_id) as uow:
        left = patients_with_items_of(uow, tenant_id, user_id)
    return HandedOver(items, len(left))
