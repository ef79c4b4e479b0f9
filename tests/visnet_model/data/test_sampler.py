"""PK batches: what holds of every epoch, over any identities and copies."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.errors import DatasetError
from visnet_model.data.sampler import PKSampler, deal


@dataclass(frozen=True)
class Case:
    """Identities' images as labels and sources, and the size of batches."""

    labels: np.ndarray[Any, Any]
    sources: np.ndarray[Any, Any]
    identities: int
    num_instances: int

    def sampler(self, **options: Any) -> PKSampler:
        return PKSampler(
            self.labels,
            self.sources,
            identities=self.identities,
            num_instances=self.num_instances,
            **options,
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to nine identities of up to seven sources of up to four versions, rows shuffled."""
    people = draw(
        st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=7), min_size=1, max_size=9)
    )
    labels, sources = [], []
    for person, versions in enumerate(people):
        for number, count in enumerate(versions):
            labels += [person * 3 - 1] * count
            sources += [100 * person + number] * count
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(labels))
    return Case(
        np.array(labels)[order],
        np.array(sources)[order],
        draw(st.integers(1, len(people))),
        draw(st.integers(1, 6)),
    )


mixings = st.sampled_from(["one-version", "any"])


@settings(deadline=None, max_examples=150)
@given(cases(), mixings, st.integers(0, 5))
def test_every_epoch_has_everybody_in_batches_of_p_times_k(
    case: Case, mixing: Any, epoch: int
) -> None:
    sampler = case.sampler(mixing=mixing)
    batches = sampler.epoch(epoch)
    people = len(np.unique(case.labels))
    size = case.identities * case.num_instances
    assert (
        len(sampler) == len(batches) == max(-(-people // case.identities), len(case.labels) // size)
    )
    assert batches.shape == (len(sampler), size)
    assert batches.dtype == np.int64
    turns = case.labels[batches].reshape(-1, case.identities, case.num_instances)
    assert (turns == turns[:, :, :1]).all()
    for batch in turns[:, :, 0]:
        assert len(set(batch)) == case.identities
    counts = Counter(turns[:, :, 0].ravel().tolist())
    assert len(counts) == people
    assert max(counts.values()) - min(counts.values()) <= 1


@settings(deadline=None, max_examples=150)
@given(cases(), mixings, st.integers(0, 5))
def test_images_are_dealt_evenly_over_an_epoch(case: Case, mixing: Any, epoch: int) -> None:
    batches = case.sampler(mixing=mixing).epoch(epoch)
    units = case.sources if mixing == "one-version" else np.arange(len(case.labels))
    for label in np.unique(case.labels):
        rows = batches[case.labels[batches] == label]
        mine = np.unique(units[case.labels == label])
        dealt = Counter(units[rows].tolist())
        counts = [dealt[unit] for unit in mine.tolist()]
        assert max(counts) - min(counts) <= 1
        for turn in units[rows].reshape(-1, case.num_instances):
            assert len(mine) < case.num_instances or len(set(turn)) == case.num_instances
        for source in np.unique(case.sources[case.labels == label]):
            versions = np.flatnonzero(case.sources == source)
            seen = Counter(rows.tolist())
            if mixing == "one-version":
                spread = [seen[version] for version in versions.tolist()]
                assert max(spread) - min(spread) <= 1


def test_mixing_decides_whether_a_copy_shares_a_batch_with_its_source() -> None:
    labels, sources = np.repeat([0, 1], 16), np.repeat(np.arange(16), 2)
    shared = {}
    for mixing in ("one-version", "any"):
        sampler = PKSampler(labels, sources, identities=2, num_instances=8, mixing=mixing)
        batches = np.concatenate([sampler.epoch(number) for number in range(20)])
        shared[mixing] = sum(len(set(batch)) < 16 for batch in sources[batches].tolist())
    assert shared["one-version"] == 0
    assert shared["any"] > 20


def test_every_version_is_drawn_as_often() -> None:
    sampler = PKSampler(
        np.zeros(12, int),
        np.repeat(np.arange(4), 3),
        identities=1,
        num_instances=2,
        mixing="one-version",
    )
    drawn = np.concatenate([sampler.epoch(number).ravel() for number in range(200)])
    counts = np.bincount(drawn, minlength=12)
    assert counts.sum() == 200 * 12
    assert counts.min() == counts.max() == 200  # all twelve rows fit into an epoch

    short = PKSampler(np.zeros(3, int), np.zeros(3, int), identities=1, num_instances=1)
    firsts = np.bincount([short.epoch(number)[0, 0] for number in range(3000)], minlength=3)
    assert firsts.min() > 900


@settings(deadline=None, max_examples=30)
@given(cases(), mixings)
def test_an_epoch_follows_from_seed_and_number_alone(case: Case, mixing: Any) -> None:
    one, other = (case.sampler(mixing=mixing, seed=4) for _ in range(2))
    later = one.epoch(3)
    one.epoch(9)
    assert (other.epoch(3) == later).all()
    assert (one.epoch(3) == later).all()


def test_epochs_and_seeds_differ() -> None:
    labels = np.repeat(np.arange(10), 5)
    epochs = [
        PKSampler(labels, np.arange(50), identities=2, num_instances=4, seed=seed).epoch(number)
        for seed, number in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    assert len({epoch.tobytes() for epoch in epochs}) == 4


@pytest.mark.parametrize("world", [1, 2, 3, 6])
def test_shares_of_the_ranks_make_up_the_batch(world: int) -> None:
    labels = np.repeat(np.arange(8), 3)
    sampler = PKSampler(labels, np.arange(24), identities=6, num_instances=4)
    batch = sampler.epoch(0)[0]
    shares = [batch[sampler.share(rank, world)] for rank in range(world)]
    assert (np.concatenate(shares) == batch).all()
    assert len({len(np.unique(labels[share])) for share in shares}) == 1
    assert sum(len(np.unique(labels[share])) for share in shares) == 6


def test_ranks_that_cannot_share_a_batch_are_refused() -> None:
    sampler = PKSampler(np.arange(8), np.arange(8), identities=6, num_instances=4)
    with pytest.raises(DatasetError, match="multiple of 4"):
        sampler.share(0, 4)


def test_too_few_identities_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"3 identities .* at most 3"):
        PKSampler([0, 0, 7, 9], np.arange(4), identities=4)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 12), st.integers(0, 99))
def test_hands_hold_different_cards_and_all_cards_alike(
    cards: int, hand: int, hands: int, seed: int
) -> None:
    dealt = deal(np.random.default_rng(seed), cards, hand, hands)
    assert dealt.shape == (hands, hand)
    if hand <= cards:
        assert all(len(set(one)) == hand for one in dealt.tolist())
    counts = np.bincount(dealt.ravel(), minlength=cards)
    assert len(counts) == cards
    assert counts.max() - counts.min() <= 1


def test_hands_that_span_two_decks_are_not_biased() -> None:
    hands = [deal(np.random.default_rng(seed), 5, 3, 2) for seed in range(4000)]
    counts = np.bincount(np.concatenate(hands).ravel(), minlength=5)
    assert abs(counts / counts.mean() - 1).max() < 0.05
