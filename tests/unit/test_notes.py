"""Signed notes as C2SP's signed-note and Go's sumdb/note have them, and that no changed byte goes through."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.checkpoints.notes import BadNote, Signer, Verifier, open_note

# What golang.org/x/mod/sumdb/note is tested with: two verifier keys, and a note that both signed.
PETER, ENOCH = """\
PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW
EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop
""".splitlines()
SIGNED = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=
"""
TEXT = SIGNED.partition("\n\n")[0] + "\n"
SIGNER = Signer("clinic/ledger", bytes(range(32)))


@pytest.mark.parametrize("key", [PETER, ENOCH])
def test_a_note_that_go_signed_is_opened_with_a_key_that_go_wrote(key: str) -> None:
    verifier = Verifier.parse(key)
    assert str(verifier) == key
    assert open_note(SIGNED.encode(), [verifier]) == (TEXT, verifier)


def test_what_is_signed_here_is_what_ed25519_and_the_format_say() -> None:
    # RFC 8032, test 1: the key pair of this seed.
    seed, public = """\
9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60
d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
""".splitlines()
    signer = Signer("clinic/ledger", bytes.fromhex(seed))
    assert signer.verifier.public_key.hex() == public
    name, key_id, key = str(signer.verifier).split("+", 2)
    assert (name, base64.b64decode(key)) == ("clinic/ledger", b"\x01" + bytes.fromhex(public))
    note = signer.sign("one\ntwo\n")
    assert note.startswith(f"one\ntwo\n\n— {name} ")
    assert note.endswith("\n")
    assert base64.b64decode(note.split()[-1])[:4].hex() == key_id
    assert open_note(note.encode(), [signer.verifier]) == ("one\ntwo\n", signer.verifier)


def test_any_byte_that_is_changed_spoils_a_note() -> None:
    note = SIGNER.sign("clinic/ledger\nfive\n").encode()
    for at in range(len(note)):
        for changed in ({*range(256)} if at % 7 == 0 else {note[at] ^ 1, note[at] ^ 32, 0x0A, 0x3D}) - {
            note[at]
        }:
            with pytest.raises(BadNote):
                open_note(note[:at] + bytes([changed]) + note[at + 1 :], [SIGNER.verifier])


@given(st.data())
def test_a_byte_less_or_more_spoils_a_note(data: st.DataObject) -> None:
    note = SIGNER.sign("clinic/ledger\nfive\n").encode()
    at = data.draw(st.integers(0, len(note) - 1))
    more = bytes([data.draw(st.integers(0, 255))])
    for other in (note[:at] + note[at + 1 :], note[:at] + more + note[at:], note[:at]):
        if other != note:
            with pytest.raises(BadNote):
                open_note(other, [SIGNER.verifier])


def test_a_key_of_another_name_or_none_at_all_opens_nothing() -> None:
    note = SIGNER.sign("five\n").encode()
    for known in ([], [Signer("another/ledger", bytes(range(32))).verifier], [Verifier.parse(PETER)]):
        with pytest.raises(BadNote, match="No known key"):
            open_note(note, known)


def test_after_a_rotation_old_notes_and_new_ones_are_opened() -> None:
    newer = Signer("clinic/ledger", bytes(32))
    both = [newer.verifier, SIGNER.verifier]
    for signer in (newer, SIGNER):
        assert open_note(signer.sign("five\n").encode(), both)[1] == signer.verifier


def test_one_wrong_signature_of_a_known_key_spoils_what_another_key_signed() -> None:
    other = Signer("another/ledger", bytes(32))
    wrong = other.sign("six\n").splitlines()[-1] + "\n"
    note = (SIGNER.sign("five\n") + wrong).encode()
    assert open_note(note, [SIGNER.verifier])[0] == "five\n"
    with pytest.raises(BadNote, match="changed"):
        open_note(note, [SIGNER.verifier, other.verifier])


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        b"five\n",
        b"five\n\n",
        b"\xff\n\n",
        b"five\n\n\n",
        SIGNED.encode() + b"\n",
        b"x" * 2_000_000,
    ],
)
def test_what_is_no_note_is_refused(note: bytes) -> None:
    with pytest.raises(BadNote):
        open_note(note, [SIGNER.verifier, Verifier.parse(PETER)])


@pytest.mark.parametrize(
    "key",
    [
        "",
        "clinic",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("Peter", "Pete"),
        PETER[:-1],
        PETER + "=",
        PETER.replace("/", "_"),
        PETER.replace("PeterNeumann", "Peter Neumann"),
        PETER.replace("+AR", "+BR"),
        "name+00000000+AQ==",
        "name+00000000+ключ",
    ],
)
def test_what_is_no_verifier_key_is_refused(key: str) -> None:
    with pytest.raises(BadNote):
        Verifier.parse(key)


@pytest.mark.parametrize("text", ["", "five", "five\r\n", "five\0\n"])
def test_a_text_that_is_no_lines_is_not_signed(text: str) -> None:
    with pytest.raises(ValueError, match="lines"):
        SIGNER.sign(text)


@pytest.mark.parametrize("name", ["", "a clinic", "a+b", "a\nb"])
def test_a_name_that_would_break_the_lines_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Signer(name, bytes(32))
