"""The Merkle tree hash of RFC 9162 (section 2.1) over SHA-256: roots, and paths that prove a leaf is in one.

A leaf and a node are hashed with different first bytes, so that none can be taken for the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence


def leaf_hash(line: bytes) -> bytes:
    """The hash of one entry, which a line without its line feed is."""
    return hashlib.sha256(b"\0" + line).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """A tree that grows at its right edge and keeps no more than the roots of its whole subtrees."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Adds the hash of the next entry."""
        size = self.size
        # Each bit that a carry clears was a whole subtree as large as the one that is being added.
        while size & 1:
            leaf = _node_hash(self._subtrees.pop(), leaf)
            size >>= 1
        self._subtrees.append(leaf)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root over all that was added; of nothing, the hash of nothing."""
        if not self._subtrees:
            return hashlib.sha256().digest()
        *larger, root = self._subtrees
        for subtree in reversed(larger):
            root = _node_hash(subtree, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over the leaf hashes, which are looked at one by one."""
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root


def inclusion_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """What leads from the leaf hash at ``index`` to the root, from below. Raises IndexError for no leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError("there is no such leaf")
    path = []
    level = leaves
    while len(level) > 1:
        if (index ^ 1) < len(level):
            path.append(level[index ^ 1])
        above = [_node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        # The last one of an odd number has nobody beside it and goes up as it is.
        level = [*above, level[-1]] if len(level) % 2 else above
        index >>= 1
    return tuple(path)


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that ``path`` leads to from a leaf hash, in a tree of ``size`` leaves.

    Raises ValueError when no path of this length belongs to this place.
    """
    if not 0 <= index < size:
        raise ValueError("the tree has no such leaf")
    root, last, rest = leaf, size - 1, list(reversed(path))
    while last:
        beside = index ^ 1
        if beside <= last:
            if not rest:
                raise ValueError("the path is too short")
            other = rest.pop()
            root = _node_hash(other, root) if index & 1 else _node_hash(root, other)
        index, last = index >> 1, last >> 1
    if rest:
        raise ValueError("the path is too long")
    return root
