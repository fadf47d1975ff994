"""RFC 9162 Merkle trees: the vectors of Certificate Transparency, and the RFC's own recursion."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim import merkle

#: Inputs, roots and paths of the reference implementation's tests (RFC 6962, the same trees;
#: transparency-dev/merkle, Apache-2.0).
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
INCLUSION = {
    (0, 1): (),
    (0, 8): (A, B, C),
    (5, 8): (D, E, ROOTS[4]),
    (2, 3): (ROOTS[2],),
    (1, 5): (ROOTS[1], B, D),
}
CONSISTENCY = {(1, 1): (), (1, 8): (A, B, C), (6, 8): (F, E, ROOTS[4]), (2, 5): (B, D)}

HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]


def hexed(path: list[bytes]) -> tuple[str, ...]:
    return tuple(node.hex() for node in path)


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_vectors(size: int) -> None:
    assert merkle.root_of(HASHES[:size]).hex() == ROOTS[size]


def test_inclusion_paths_of_the_vectors() -> None:
    for (index, size), path in INCLUSION.items():
        assert hexed(merkle.inclusion_path(HASHES[:size], index)) == path
        nodes = [bytes.fromhex(node) for node in path]
        root = merkle.root_from_path(HASHES[index], index, size, nodes)
        assert root is not None
        assert root.hex() == ROOTS[size]


def test_consistency_paths_of_the_vectors() -> None:
    for (first, second), path in CONSISTENCY.items():
        assert hexed(merkle.consistency_path(HASHES[:second], first)) == path
        roots = bytes.fromhex(ROOTS[first]), bytes.fromhex(ROOTS[second])
        nodes = [bytes.fromhex(node) for node in path]
        assert merkle.is_consistent(first, roots[0], second, roots[1], nodes)


def by_the_rfc(part: list[bytes]) -> bytes:
    """MTH (2.1.1), word for word."""
    if not part:
        return hashlib.sha256().digest()
    if len(part) == 1:
        return part[0]
    k = 1
    while k * 2 < len(part):
        k *= 2
    return hashlib.sha256(b"\x01" + by_the_rfc(part[:k]) + by_the_rfc(part[k:])).digest()


def subproof(m: int, part: list[bytes], known: bool) -> list[bytes]:
    """SUBPROOF (2.1.4.1), word for word."""
    if m == len(part):
        return [] if known else [by_the_rfc(part)]
    k = 1
    while k * 2 < len(part):
        k *= 2
    if m <= k:
        return [*subproof(m, part[:k], known), by_the_rfc(part[k:])]
    return [*subproof(m - k, part[k:], False), by_the_rfc(part[:k])]


LEAVES_OF_ANY = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70, unique=True)


@given(LEAVES_OF_ANY, st.data())
def test_paths_are_the_rfcs_and_prove_what_they_say(
    hashes: list[bytes], data: st.DataObject
) -> None:
    """NVT-11: of any tree, any beginning is proved, and no other one."""
    first = data.draw(st.integers(1, len(hashes)))
    root, old = merkle.root_of(hashes), merkle.root_of(hashes[:first])
    assert root == by_the_rfc(hashes)
    path = merkle.consistency_path(hashes, first)
    assert path == subproof(first, hashes, True)
    assert merkle.is_consistent(first, old, len(hashes), root, path)
    nodes = merkle.prefix_nodes(hashes, first)
    assert merkle.roots_from_nodes(first, len(hashes), nodes) == (old, root)
    index = data.draw(st.integers(0, len(hashes) - 1))
    levels = merkle.levels_of(hashes)
    assert merkle.path_in(levels, index) == merkle.inclusion_path(hashes, index)

    other = data.draw(st.binary(min_size=32, max_size=32).filter(lambda node: node not in hashes))
    changed = [*hashes[: first - 1], other, *hashes[first:]]
    assert not merkle.is_consistent(first, merkle.root_of(changed[:first]), len(hashes), root, path)
    assert not merkle.is_consistent(first, old, len(hashes), merkle.root_of(changed), path)
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert not merkle.is_consistent(first, old, len(hashes), root, path[:at] + path[at + 1 :])
        bent = [*path[:at], other, *path[at + 1 :]]
        assert not merkle.is_consistent(first, old, len(hashes), root, bent)
    assert not merkle.is_consistent(first, old, len(hashes), root, [*path, other])


def test_the_empty_tree_is_the_beginning_of_all() -> None:
    empty = merkle.root_of([])
    assert merkle.is_consistent(0, empty, 8, bytes.fromhex(ROOTS[8]), [])
    assert not merkle.is_consistent(0, HASHES[0], 8, bytes.fromhex(ROOTS[8]), [])
    assert not merkle.is_consistent(0, empty, 8, bytes.fromhex(ROOTS[8]), [HASHES[0]])
    with pytest.raises(IndexError):
        merkle.consistency_path(HASHES, 9)
