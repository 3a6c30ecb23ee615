"""SharedPatientStateCore: the use cases that both surfaces call (plan 4.1).

Each reads as load, decide, record, commit, publish. What a surface shows of the result is its own
business; what is true is decided here.
"""

from __future__ import annotations

from shared.core.base import RoleForbidden, Undecided
from shared.core.glass import Glass
from shared.core.pickup import Pickup
from shared.core.sending import Sending
from shared.core.viewing import Viewing

__all__ = ["RoleForbidden", "SharedPatientStateCore", "Undecided"]


class SharedPatientStateCore(Viewing, Sending, Pickup, Glass):
    """One patient state behind two surfaces. Safe to share between threads."""
