"""What a single field may hold: its length and its alphabet.

The ``description`` finishes the sentence "must be ..." of a 422, and describes the field in the
OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from shared.model import PatientKey

# White space to Python or to a browser: of these characters each takes one or two for something.
_BLANK = r"\s\x1c-\x1f\x85\ufeff"


def _words(most: int) -> Meta:
    """What a person writes, in lines."""
    return Meta(
        min_length=1,
        max_length=most,
        pattern=rf"^[{_BLANK}]*[^{_BLANK}\x00][^\x00]*$",
        description=f"1 to {most:,} characters, not blank and without NUL",
    )


def _line(most: int) -> Meta:
    """What a person writes in one line."""
    return Meta(
        min_length=1,
        max_length=most,
        pattern=rf"^(?=[\s\S]*[^{_BLANK}])[^\x00-\x1f\x7f]+(?!\n)$",
        description=f"1 to {most:,} characters, not blank and without control characters",
    )


# In a pattern "$" also matches before a final line break; "(?!\n)$" doesn't, here and in a browser.
SessionText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9._:-]+(?!\n)$",
        description="1 to 128 characters out of A-Z a-z 0-9 . _ : -",
    ),
]
PatientKeyText = Annotated[
    PatientKey,
    Meta(
        min_length=8,
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]+(?!\n)$",
        description="8 to 64 characters out of A-Z a-z 0-9 _ -",
    ),
]
NameText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9._:-]+(?!\n)$",
        description="1 to 64 characters out of A-Z a-z 0-9 . _ : -",
    ),
]
SiteText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        pattern=r"^[A-Za-z0-9._:-]+(?!\n)$",
        description="1 to 253 characters out of A-Z a-z 0-9 . _ : -",
    ),
]
ExternalIdText = Annotated[str, _line(128)]
SearchText = Annotated[str, _line(100)]
NoteText = Annotated[str, _words(4000)]
ExplanationText = Annotated[str, _words(1000)]
ChatText = Annotated[str, _words(1000)]
SearchLimit = Annotated[int, Meta(ge=1, le=25, description="a whole number from 1 to 25")]
PageLimit = Annotated[int, Meta(ge=1, le=100, description="a whole number from 1 to 100")]
CursorText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=r"^[A-Za-z0-9_-]+(?!\n)$",
        description="the next_cursor of an earlier answer",
    ),
]
