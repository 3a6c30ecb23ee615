"""Amounts of money as whole numbers of minor units."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

from ops.intake.elements import Money
from shared.decisions.wording import minor_digits

_CURRENCY = re.compile(r"[A-Z]{3}")
_MOST_DIGITS = 12


def minor_units(money: Money | None) -> tuple[int, str] | None:
    """The amount and its currency; None without either, or for an amount that no bill has."""
    if money is None or money.value is None or not _CURRENCY.fullmatch(money.currency or ""):
        return None
    currency = money.currency or ""
    if not money.value.is_finite() or money.value.adjusted() >= _MOST_DIGITS:
        return None
    return int((money.value * 10 ** minor_digits(currency)).quantize(Decimal(1), ROUND_HALF_UP)), currency
