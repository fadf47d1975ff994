"""Merkle tree hashing of RFC 9162, section 2.1: roots, inclusion and consistency paths, checks.

The project's one implementation: of the removable media (a tree built anew for every state,
in the order of random ids) and of the transparency log (in the order of arrival). No library
serves both: of those tried, pymerkle 7 computes the same roots, but comes under the GPL
(this project under Apache-2.0), calls itself unaudited, writes paths in a form of its own
rather than the RFC's, and holds the tree in storage of its own.
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
    return path_in(levels_of(hashes), index)


def levels_of(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """All levels of the tree, leaves first: for many paths of one tree."""
    levels = [list(hashes)]
    while len(levels[-1]) > 1:
        levels.append(_parents(levels[-1]))
    return levels


def path_in(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """`inclusion_path` in a tree of `levels_of`; the leaf is one of it."""
    path = []
    for level in levels:
        if (sibling := index ^ 1) < len(level):
            path.append(level[sibling])
        index >>= 1
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


def consistency_path(hashes: Sequence[bytes], first: int) -> list[bytes]:
    """PROOF(first, leaves) (RFC 9162, 2.1.4.1): that the first `first` leaves are a beginning.

    Raises:
        IndexError: `first` is not in 1 … number of leaves.
    """
    if not 1 <= first <= len(hashes):
        raise IndexError(f"{first} leaves of {len(hashes)}")
    path: list[bytes] = []
    part, known = hashes, True
    while first != len(part):
        middle = 1 << (len(part) - 1).bit_length() - 1
        if first <= middle:
            path.append(root_of(part[middle:]))
            part = part[:middle]
        else:
            path.append(root_of(part[:middle]))
            part, first, known = part[middle:], first - middle, False
    # SUBPROOF: the subtree that both have is left out where the verifier knows its root.
    return [*([] if known else [root_of(part)]), *reversed(path)]


def prefix_nodes(hashes: Sequence[bytes], first: int) -> list[bytes]:
    """As `consistency_path`, with the first node always in it: it then says by itself which
    root the first `first` leaves of this tree have (`roots_from_nodes`)."""
    path = consistency_path(hashes, first)
    whole = first == len(hashes) or _is_power_of_two(first)
    return [root_of(hashes[:first]), *path] if whole else path


def roots_from_nodes(first: int, second: int, nodes: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Roots of the first `first` and of all `second` leaves that these nodes lead to (RFC 9162,
    2.1.4.2, steps 3 to 6); None: the nodes do not fit the two sizes."""
    if not 1 <= first <= second or not nodes:
        return None
    if first == second:
        return (nodes[0], nodes[0]) if len(nodes) == 1 else None
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return None
        if at & 1 or at == last:
            old, new = _node(node, old), _node(node, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = _node(new, node)
        at, last = at >> 1, last >> 1
    return (old, new) if last == 0 else None


def is_consistent(
    first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Does the tree of `second` leaves begin with that of `first` (RFC 9162, 2.1.4.2)?"""
    if first == 0:
        return not path and first_root == root_of([])
    if first == second:
        return not path and first_root == second_root
    if not path:
        return False
    nodes = [first_root, *path] if _is_power_of_two(first) else path
    return roots_from_nodes(first, second, nodes) == (first_root, second_root)


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def _parents(level: Sequence[bytes]) -> list[bytes]:
    # A last node without a sibling moves up as it is: the same tree as the RFC's split at
    # the largest power of two.
    pairs = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) & 1 else pairs


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
