"""The Merkle tree hash of RFC 9162: its known roots and paths, and that a path proves one leaf only."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.checkpoints.merkle import inclusion_path, leaf_hash, root_from_path, root_of

# The entries, roots and paths that certificate-transparency's own implementations are tested with.
ENTRIES = tuple(
    bytes.fromhex(each)
    for each in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
)
ROOTS = """\
6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328
""".splitlines()
# Leaf and size, then the path.
PATHS = """
0 8
96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7
5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e
6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4

5 8
bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b
ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0
d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7

2 3
fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125

1 5
6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e
bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b
"""
KNOWN_PATHS = {
    tuple(map(int, place.split())): tuple(path.split())
    for place, _, path in (each.partition("\n") for each in PATHS.strip().split("\n\n"))
}
LEAVES = tuple(map(leaf_hash, ENTRIES))


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert root_of(()) == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_known_roots(size: int) -> None:
    assert root_of(iter(LEAVES[:size])).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size"), KNOWN_PATHS)
def test_known_paths(index: int, size: int) -> None:
    assert tuple(each.hex() for each in inclusion_path(LEAVES[:size], index)) == KNOWN_PATHS[index, size]


@given(st.lists(st.binary(max_size=3), min_size=1, max_size=70, unique=True), st.data())
def test_a_path_proves_exactly_that_leaf_at_exactly_that_place(
    entries: list[bytes], data: st.DataObject
) -> None:
    leaves = [leaf_hash(each) for each in entries]
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = inclusion_path(leaves, index)
    assert root_from_path(leaves[index], index, len(leaves), path) == root_of(leaves)
    for other in range(len(leaves)):
        if other != index:
            assert not proves(leaves[other], index, len(leaves), path, root_of(leaves))
            assert not proves(leaves[index], other, len(leaves), path, root_of(leaves))
    for longer in ((*path, leaves[0]), path[:-1] if path else (leaves[0],)):
        assert not proves(leaves[index], index, len(leaves), longer, root_of(leaves))


@given(st.lists(st.binary(max_size=3), min_size=2, max_size=40), st.data())
def test_a_node_is_no_leaf(entries: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(each) for each in entries]
    cut = data.draw(st.integers(1, len(leaves) - 1))
    assert leaf_hash(root_of(leaves[:cut]) + root_of(leaves[cut:])) != root_of(leaves)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_what_is_not_in_the_tree_has_no_path(index: int, size: int) -> None:
    with pytest.raises(IndexError):
        inclusion_path(LEAVES[:size], index)
    with pytest.raises(ValueError, match="no such leaf"):
        root_from_path(LEAVES[0], index, size, ())


def proves(leaf: bytes, index: int, size: int, path: tuple[bytes, ...], root: bytes) -> bool:
    try:
        return root_from_path(leaf, index, size, path) == root
    except ValueError:
        return False
