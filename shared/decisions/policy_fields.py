"""What a single field of a policy may hold; the ``description`` finishes the sentence "must be ..."."""

from __future__ import annotations

from typing import Annotated

import msgspec

from shared.decisions.decoding import Check
from shared.decisions.wording import LINE_LIMIT, template_problem

ANY = "*"
"""Stands for every site, application or role."""

_NAME = r"[a-z0-9][a-z0-9_.-]{0,63}"
_HOST = r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"

Name = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"\A{_NAME}\Z",
        description="a name of 1 to 64 lower-case letters, digits, '_', '.' or '-', not starting with a mark",
    ),
]
SignalCode = Annotated[
    str,
    msgspec.Meta(
        max_length=64,
        pattern=r"\A[a-z][a-z_]*(\.[a-z][a-z_]*)+\Z",
        description="a dotted code of lower-case words, such as coverage.expiring, of at most 64 characters",
    ),
]
ReasonCode = Annotated[
    str,
    msgspec.Meta(
        max_length=64,
        pattern=r"\A[a-z][a-z_]*\Z",
        description="a lower-case word of letters and '_', of at most 64 characters",
    ),
]
NameOrAny = Annotated[
    str, msgspec.Meta(pattern=rf"\A(\*|{_NAME})\Z", description="'*' or a lower-case name of 1 to 64 letters")
]
SitePattern = Annotated[
    str,
    msgspec.Meta(
        max_length=253,
        pattern=rf"\A(\*|{_HOST})\Z",
        description="'*', a lower-case host name, or '*.' and a host name (it and every host below it)",
    ),
]
Line = Annotated[
    str,
    msgspec.Meta(
        max_length=LINE_LIMIT,
        # No control characters, nothing that ends a line, and no lone surrogates, which a database refuses.
        pattern=r"\A(?=.*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*\Z",
        description=f"one line of 1 to {LINE_LIMIT} characters, not blank",
    ),
]
Template = Annotated[Line, Check(template_problem)]
Days = Annotated[
    int, msgspec.Meta(ge=30, le=36_500, description="a whole number of days, from 30 to 36,500, or null")
]
Seconds = Annotated[
    int, msgspec.Meta(ge=1, le=31_536_000, description="a whole number of seconds, from 1 to a year")
]
