"""PK batches: P identities with K images each, every identity in every epoch.

How an epoch is dealt:

- It has ``max(⌈I / P⌉, ⌊N / (P·K)⌋)`` steps for I identities and N images: about as many images as
  there are, and at least a place for everybody. Nothing drawn changes that number.
- Identities are dealt from shuffled decks, one after the other: their numbers of turns differ by
  at most one. No identity is twice in a batch.
- An identity's images are dealt in the same way over its turns: none comes again before all have
  come, and none is twice in a turn while there are K. With fewer than K, some repeat.

Originals and copies (mixing):

- ``one-version`` deals source images, and for each one of its versions in the split, original or
  copy, shuffled and in turn. So no image stands beside its own copy, a near-duplicate that would
  make the easiest of positive pairs, while its identity has K sources.
- ``any`` deals all images alike.

An epoch's batches follow from (seed, epoch) alone: a resumed run needs no state.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from visnet_model.data.settings import Mixing
from visnet_model.data.table import Indices
from visnet_model.errors import DataError

_STREAM = 1  # keeps these draws apart from the augmentation's of the same seed


class PKSampler:
    """Deal the rows of a table into batches of P identities with K images each.

    Args:
        labels: N identities; any integers.
        sources: N numbers, equal for an image and its copies.
        identities: P.
        images: K.
        seed: Of all draws, not negative.
        mixing: How originals and copies share a batch.

    Raises:
        DataError: There are fewer than P identities.
    """

    def __init__(
        self,
        labels: npt.ArrayLike,
        sources: npt.ArrayLike,
        *,
        identities: int = 8,
        images: int = 12,
        seed: int = 0,
        mixing: Mixing = "one-version",
    ) -> None:
        self.identities = identities
        self.images = images
        self.seed = seed
        labels = np.unique(np.asarray(labels), return_inverse=True)[1]
        rows = len(labels)
        units = np.asarray(sources) if mixing == "one-version" else np.arange(rows)
        # Of one identity and source are a unit's versions; units are numbered identity by identity.
        keys, self._units = np.unique(np.stack([labels, units]), axis=1, return_inverse=True)
        self._units = self._units.reshape(-1)
        self._versions = np.bincount(self._units)
        self._sizes = np.bincount(keys[0].astype(np.int64))
        if len(self._sizes) < identities:
            raise DataError(
                f"{len(self._sizes)} identities in the training images, but batches of "
                f"{identities}: set data.identities to at most {len(self._sizes)}"
            )
        self._steps = max(math.ceil(len(self._sizes) / identities), rows // (identities * images))

    def __len__(self) -> int:
        """Return the number of batches in an epoch, always the same."""
        return self._steps

    def epoch(self, number: int) -> Indices:
        """Return an epoch's batches: steps × (P·K) rows, the K of an identity together."""
        rng = np.random.default_rng((_STREAM, self.seed, number))
        turns = deal(rng, len(self._sizes), self.identities, self._steps)
        units = np.empty((turns.size, self.images), np.int64)
        first = np.cumsum(self._sizes) - self._sizes
        for identity, places in enumerate(_places(turns.reshape(-1), len(self._sizes))):
            dealt = deal(rng, int(self._sizes[identity]), self.images, len(places))
            units[places] = first[identity] + dealt
        return self._choose_versions(units.reshape(-1), rng).reshape(self._steps, -1)

    def share(self, rank: int, world: int) -> slice:
        """Return one rank's part of every batch: whole identities, as many for each rank.

        Raises:
            DataError: P cannot be divided by the number of ranks.
        """
        if self.identities % world:
            raise DataError(
                f"{self.identities} identities in a batch cannot be shared by {world} processes: "
                f"set data.identities to a multiple of {world}"
            )
        images = self.identities * self.images // world
        return slice(rank * images, (rank + 1) * images)

    def _choose_versions(self, units: Indices, rng: np.random.Generator) -> Indices:
        """Return a row for each unit drawn: its versions in turn, in an order shuffled anew."""
        shuffled = np.lexsort((rng.random(len(self._units)), self._units))
        first = np.cumsum(self._versions) - self._versions
        order = np.argsort(units, kind="stable")
        drawn = np.bincount(units, minlength=len(self._versions))
        occurrence = np.empty_like(units)
        occurrence[order] = np.arange(len(units)) - np.repeat(np.cumsum(drawn) - drawn, drawn)
        return shuffled[first[units] + occurrence % self._versions[units]]


def deal(rng: np.random.Generator, cards: int, hand: int, hands: int) -> Indices:
    """Deal hands from shuffled decks of ``cards``, a new deck when one is used up.

    Over all hands, cards are dealt equally often, give or take one. No hand holds a card twice if
    there are at least ``hand`` cards.

    Returns:
        hands × hand numbers below ``cards``.
    """
    dealt = np.empty(hands * hand, np.int64)
    filled = 0
    while filled < len(dealt):
        deck = rng.permutation(cards)
        begun = filled % hand  # cards of the last deck in the hand that this deck completes
        if begun and hand <= cards:
            held = np.isin(deck, dealt[filled - begun : filled])
            # Who completes it comes from those not in it; the others keep the shuffled order.
            front = np.flatnonzero(~held)[: hand - begun]
            deck = np.concatenate([deck[front], np.delete(deck, front)])
        used = min(cards, len(dealt) - filled)
        dealt[filled : filled + used] = deck[:used]
        filled += used
    return dealt.reshape(hands, hand)


def _places(values: Indices, count: int) -> list[Indices]:
    """Return, for each number below ``count``, where it stands in ``values``, ascending."""
    order = np.argsort(values, kind="stable")
    return np.split(order, np.cumsum(np.bincount(values, minlength=count))[:-1])
