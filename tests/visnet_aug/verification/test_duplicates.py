from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.verification import duplicates
from visnet_aug.verification.duplicates import NEAR, near_pairs

HASHES = st.integers(0, 2**64 - 1)


@st.composite
def families(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Two lists of hashes, many of them a few bits from one another."""
    roots = draw(st.lists(HASHES, min_size=1, max_size=4))
    bits = st.lists(st.integers(0, 63), max_size=9)

    def some() -> list[int]:
        chosen = draw(st.lists(st.tuples(st.sampled_from(roots), bits), max_size=12))
        return [root ^ sum(1 << bit for bit in set(flipped)) for root, flipped in chosen]

    return some(), some()


@settings(deadline=None, max_examples=60)
@given(families(), st.integers(0, 64))
def test_all_pairs_that_differ_in_few_bits_are_found(
    hashes: tuple[list[int], list[int]], most: int
) -> None:
    first, second = hashes
    expected = sorted(
        ((a ^ b).bit_count(), i, j)
        for i, a in enumerate(first)
        for j, b in enumerate(second)
        if (a ^ b).bit_count() <= most
    )
    i, j, bits = near_pairs(np.array(first, np.uint64), np.array(second, np.uint64), most)
    assert list(zip(bits.tolist(), i.tolist(), j.tolist(), strict=True)) == expected


def test_blocks_make_no_difference(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2**64, 50, np.uint64)
    second = np.concatenate([first[::3] ^ np.uint64(5), rng.integers(0, 2**64, 30, np.uint64)])
    whole = near_pairs(first, second)
    assert len(whole[0]) == 17
    assert set(whole[2].tolist()) == {2}
    for block in (1, 47, 100, 1000):
        monkeypatch.setattr(duplicates, "_BLOCK", block)
        for found, expected in zip(near_pairs(first, second), whole, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_the_limit_is_met_exactly() -> None:
    zero = np.zeros(1, np.uint64)
    at, beyond = (np.array([2**bits - 1], np.uint64) for bits in (NEAR, NEAR + 1))
    assert len(near_pairs(zero, at)[0]) == 1
    assert len(near_pairs(zero, beyond)[0]) == 0
