"""Merkle tree hashing of RFC 9162, section 2.1: root, inclusion path, its check.

The tree here is built anew for every state, over leaves in order of their random ids, so
the library kept for append-only logs (pymerkle: leaves in order of arrival, in storage of
its own) does not fit: that order is just what must not exist (NVT-05).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf)."""
    return hashlib.sha256(b"\0" + leaf).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """MTH of these leaf hashes (RFC 9162, 2.1.1), 32 bytes; of none, SHA-256 of nothing."""
    if not hashes:
        return hashlib.sha256().digest()
    level = list(hashes)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def inclusion_path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """PATH(index, leaves) (RFC 9162, 2.1.3.1): the siblings from the leaf upwards.

    Raises:
        IndexError: no such leaf.
    """
    if not 0 <= index < len(hashes):
        raise IndexError(f"leaf {index} of {len(hashes)}")
    path, level = [], list(hashes)
    while len(level) > 1:
        if (sibling := index ^ 1) < len(level):
            path.append(level[sibling])
        level, index = _parents(level), index >> 1
    return path


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to (RFC 9162, 2.1.3.2); None: the path does not fit."""
    if not 0 <= index < size:
        return None
    value, steps = leaf, iter(path)
    while size > 1:
        if index ^ 1 < size:
            sibling = next(steps, None)
            if sibling is None:
                return None
            value = _node(sibling, value) if index & 1 else _node(value, sibling)
        index, size = index >> 1, (size + 1) >> 1
    return value if next(steps, None) is None else None


def _parents(level: Sequence[bytes]) -> list[bytes]:
    # A last node without a sibling moves up as it is: the same tree as the RFC's split at
    # the largest power of two.
    pairs = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) & 1 else pairs


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
