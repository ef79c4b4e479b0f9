"""PK batches: P identities with K images (``num_instances``) each; an epoch has every identity.

How an epoch is dealt:

- It has ``max(⌈I / P⌉, ⌊N / (P·K)⌋)`` batches for I identities and N images: about as many images
  as there are, and at least one turn per identity. No random draw changes that number.
- Identities are dealt from shuffled decks, one after the other, so their numbers of turns differ by
  at most one. No identity occurs twice in a batch.
- The images of an identity are dealt in the same way over its turns: none is repeated before all
  have been dealt, and none occurs twice in a turn if there are at least K. With fewer than K, some
  repeat.

Originals and copies (``mixing``):

- ``one-version`` deals source images and then takes one version of each, the original or a copy, in
  shuffled turns. An image and its copy are near-duplicates and would make the easiest positive
  pair; this way they do not share a batch if the identity has at least K sources.
- ``any`` deals all images alike.

The batches of an epoch only depend on (seed, epoch): a resumed run needs no sampler state.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from visnet_aug.errors import DatasetError
from visnet_model.data.settings import Mixing
from visnet_model.data.table import Indices

_STREAM = 1  # separates these draws from the augmentation's with the same seed


class PKSampler:
    """Deal the rows of a training set into batches of P identities with K images each.

    Batches of few identities with several images each give pairwise losses their positive pairs
    (Hermans et al., "In defense of the triplet loss", 2017, section 2). See
    `visnet_model.data.sampler` for how an epoch is dealt.

    Args:
        pids: N identities, any integers.
        sources: N integers, equal for an image and its copies; ``np.arange(N)`` if there are no
            copies.
        identities: P, identities in a batch.
        num_instances: K, images of each identity in a batch.
        seed: Seed of all draws, at least 0.
        mixing: How originals and copies share a batch, ``one-version`` or ``any``.

    Raises:
        DatasetError: There are fewer than P identities.

    Examples:
        >>> import numpy as np
        >>> from visnet_model import PKSampler
        >>> pids = np.repeat([7, 8, 9], 4)
        >>> sampler = PKSampler(pids, np.arange(12), identities=2, num_instances=3)
        >>> len(sampler)  # batches in an epoch
        2
        >>> batches = sampler.epoch(0)  # for DataLoader: batch_sampler=batches.tolist()
        >>> batches.shape
        (2, 6)
        >>> [len(set(pids[batch].tolist())) for batch in batches]
        [2, 2]
    """

    def __init__(
        self,
        pids: npt.ArrayLike,
        sources: npt.ArrayLike,
        *,
        identities: int = 8,
        num_instances: int = 12,
        seed: int = 0,
        mixing: Mixing = "one-version",
    ) -> None:
        self.identities = identities
        self.num_instances = num_instances
        self.seed = seed
        labels = np.unique(np.asarray(pids), return_inverse=True)[1]
        rows = len(labels)
        units = np.asarray(sources) if mixing == "one-version" else np.arange(rows)
        # A unit is all versions of one source; units are numbered identity by identity.
        keys, self._units = np.unique(np.stack([labels, units]), axis=1, return_inverse=True)
        self._units = self._units.reshape(-1)
        self._versions = np.bincount(self._units)
        self._sizes = np.bincount(keys[0].astype(np.int64))
        if len(self._sizes) < identities:
            raise DatasetError(
                f"{len(self._sizes)} identities in the training images, but batches of "
                f"{identities}: set data.identities to at most {len(self._sizes)}"
            )
        batch = identities * num_instances
        self._steps = max(math.ceil(len(self._sizes) / identities), rows // batch)

    def __len__(self) -> int:
        """Return the number of batches in an epoch, the same in every epoch."""
        return self._steps

    def epoch(self, number: int) -> Indices:
        """Return the batches of an epoch.

        Args:
            number: The epoch, from 0.

        Returns:
            int64 steps × (P·K), indices of rows; the K of an identity are adjacent.
        """
        rng = np.random.default_rng((_STREAM, self.seed, number))
        turns = deal(rng, len(self._sizes), self.identities, self._steps)
        units = np.empty((turns.size, self.num_instances), np.int64)
        first = np.cumsum(self._sizes) - self._sizes
        for identity, places in enumerate(_places(turns.reshape(-1), len(self._sizes))):
            dealt = deal(rng, int(self._sizes[identity]), self.num_instances, len(places))
            units[places] = first[identity] + dealt
        return self._choose_versions(units.reshape(-1), rng).reshape(self._steps, -1)

    def share(self, rank: int, world: int) -> slice:
        """Return the part of every batch that one of several processes takes: whole identities.

        Args:
            rank: The process, from 0.
            world: Number of processes.

        Raises:
            DatasetError: P is not divisible by the number of processes.
        """
        if self.identities % world:
            raise DatasetError(
                f"{self.identities} identities in a batch cannot be divided among {world} "
                f"processes: set data.identities to a multiple of {world}"
            )
        images = self.identities * self.num_instances // world
        return slice(rank * images, (rank + 1) * images)

    def _choose_versions(self, units: Indices, rng: np.random.Generator) -> Indices:
        """Return a row for each unit: its versions in turn, in a newly shuffled order."""
        shuffled = np.lexsort((rng.random(len(self._units)), self._units))
        first = np.cumsum(self._versions) - self._versions
        order = np.argsort(units, kind="stable")
        drawn = np.bincount(units, minlength=len(self._versions))
        occurrence = np.empty_like(units)
        occurrence[order] = np.arange(len(units)) - np.repeat(np.cumsum(drawn) - drawn, drawn)
        return shuffled[first[units] + occurrence % self._versions[units]]


def deal(rng: np.random.Generator, cards: int, hand: int, hands: int) -> Indices:
    """Deal hands from shuffled decks of ``cards``; when a deck is used up, a new one follows.

    Over all hands, the numbers of times that two cards are dealt differ by at most one. No hand
    holds a card twice if there are at least ``hand`` cards.

    Returns:
        int64 hands × hand, numbers below ``cards``.
    """
    dealt = np.empty(hands * hand, np.int64)
    filled = 0
    while filled < len(dealt):
        deck = rng.permutation(cards)
        begun = filled % hand  # cards of the last deck in the hand that this deck completes
        if begun and hand <= cards:
            held = np.isin(deck, dealt[filled - begun : filled])
            # The first cards not yet in the hand complete it; the others keep their order.
            front = np.flatnonzero(~held)[: hand - begun]
            deck = np.concatenate([deck[front], np.delete(deck, front)])
        used = min(cards, len(dealt) - filled)
        dealt[filled : filled + used] = deck[:used]
        filled += used
    return dealt.reshape(hands, hand)


def _places(values: Indices, count: int) -> list[Indices]:
    """Return, for each number below ``count``, its positions in ``values``, ascending."""
    order = np.argsort(values, kind="stable")
    return np.split(order, np.cumsum(np.bincount(values, minlength=count))[:-1])
