"""Signed notes: a text and the Ed25519 signatures under it, as C2SP's signed-note says it.

A key is told to others as one line, its *verifier key*: ``name+hash+base64``, as Go's sumdb/note writes it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_LONGEST = 1_000_000
_MOST_SIGNATURES = 100
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")
_SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class BadNote(Exception):
    """A note that no known key has signed as it stands, or a key that is none; the message says which."""


class Verifier(NamedTuple):
    """A public key that signed notes are checked with. ``name`` is of whoever signs."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell the keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:4]

    def __str__(self) -> str:
        """The verifier key, as auditors are given it."""
        key = base64.b64encode(_ED25519 + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Reads a verifier key. Raises BadNote when it is none, or none of Ed25519."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        key = _decoded(encoded)
        if not _NAME.fullmatch(name) or key is None or len(key) != 33 or key[:1] != _ED25519:
            raise BadNote("This is no verifier key: it has the form name+hash+key, with an Ed25519 key.")
        verifier = cls(name, key[1:])
        if verifier.key_id.hex() != key_id:
            raise BadNote("This verifier key's hash is not that of its key: it was changed on its way.")
        return verifier


class Signer:
    """A private key, made of a seed of 32 bytes, and the name in which it signs."""

    def __init__(self, name: str, seed: bytes) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError("a signer's name has no spaces and no plus sign")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The note of a text, which must end its last line."""
        if not text.endswith("\n") or _CONTROL.search(text):
            raise ValueError("a note's text is lines, each ended by a line feed")
        signature = base64.b64encode(self.verifier.key_id + self._key.sign(text.encode())).decode()
        return f"{text}\n— {self.verifier.name} {signature}\n"


def open_note(note: bytes, verifiers: Sequence[Verifier]) -> tuple[str, Verifier]:
    """The text that was signed, and by which of ``verifiers``: the first whose signature is under it.

    Signatures of keys that are not known say nothing; one of a known key that is wrong spoils the note.
    Raises BadNote.
    """
    text, signatures = _parts(note)
    known = {(each.name, each.key_id): each for each in verifiers}
    signer = None
    for line in signatures:
        name, key_id, signature = _signature(line)
        verifier = known.get((name, key_id))
        if verifier is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(verifier.public_key).verify(signature, text.encode())
        except InvalidSignature:
            raise BadNote("The signature is not of this text: one of the two was changed.") from None
        signer = signer or verifier
    if signer is None:
        raise BadNote("No known key has signed it.")
    return text, signer


def _parts(note: bytes) -> tuple[str, list[str]]:
    """A note's text, and the lines of its signatures."""
    if len(note) > _LONGEST:
        raise BadNote("It is too long for a note.")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise BadNote("It is not UTF-8.") from None
    if _CONTROL.search(whole):
        raise BadNote("A note has no control characters but line feeds.")
    text, blank, signed = whole.rpartition("\n\n")
    if not blank or not signed.endswith("\n"):
        raise BadNote("It has no signature.")
    signatures = signed[:-1].split("\n")
    if len(signatures) > _MOST_SIGNATURES:
        raise BadNote("It has too many signatures.")
    return text + "\n", signatures


def _signature(line: str) -> tuple[str, bytes, bytes]:
    """Whose it is, the key's four bytes and the signature itself."""
    match = _SIGNATURE_LINE.fullmatch(line)
    signed = _decoded(match[2]) if match else None
    if match is None or signed is None or len(signed) < 5:
        raise BadNote("A line of its signatures is none.")
    return match[1], signed[:4], signed[4:]


def _decoded(text: str) -> bytes | None:
    """Base64 in the one way in which it is written; None for anything else."""
    try:
        decoded = base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    # The decoder overlooks what the last character holds too much.
    return decoded if base64.b64encode(decoded).decode() == text else None
