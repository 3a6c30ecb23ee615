"""Amounts of money as whole numbers of minor units."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

from ops.intake.elements import Money

_CURRENCY = re.compile(r"[A-Z]{3}")
# ISO 4217: the currencies that don't have two digits after the point.
# Three letters are in the text only where a code stands, for blanks part the codes.
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_MOST_DIGITS = 12


def minor_units(money: Money | None) -> tuple[int, str] | None:
    """The amount and its currency; None without either, or for an amount that no bill has."""
    if money is None or money.value is None or not _CURRENCY.fullmatch(money.currency or ""):
        return None
    currency = money.currency or ""
    if not money.value.is_finite() or money.value.adjusted() >= _MOST_DIGITS:
        return None
    digits = 0 if currency in _NO_DIGITS else 3 if currency in _THREE_DIGITS else 2
    return int((money.value * 10**digits).quantize(Decimal(1), ROUND_HALF_UP)), currency
