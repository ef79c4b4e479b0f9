"""Leaves out frames of a tracklet that are nearly the same as the ones before.

A tracker saves many images of a person each second. Copies are spread evenly over images, so that
long tracklets of near-identical frames would otherwise get most of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from visnet_aug.errors import RecipeError

BITS: Final = 64
"""Bits of a perceptual hash."""


@dataclass(frozen=True, slots=True)
class Thinning:
    """Which frames of a tracklet are kept.

    Attributes:
        every: Of frames in order, the first and every ``every``-th after it; 1 keeps all.
        min_distance: Least number of differing bits, out of `BITS`, between the perceptual hashes
            of a frame and of the last that was kept before it; 0 keeps all.

    Raises:
        RecipeError: A value cannot be used.
    """

    every: int = 1
    min_distance: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot be used."""
        if self.every < 1:
            raise RecipeError(f"every {self.every}: give a whole number from 1")
        if not 0 <= self.min_distance <= BITS:
            raise RecipeError(
                f"a distance of {self.min_distance} between hashes: give 0 to {BITS} bits"
            )


@dataclass(frozen=True, slots=True)
class Frame:
    """An image as thinning sees it.

    Attributes:
        tracklet: What distinguishes tracklets; ``None`` for an image of none, which is kept.
        order: Its place among its tracklet's frames.
    """

    tracklet: Hashable | None
    order: tuple[int, str]


def keep_every(frames: Sequence[Frame], every: int) -> list[bool]:
    """Say which frames are kept: of each tracklet, the first and every ``every``-th after it.

    Example:
        >>> keep_every([Frame("a", (number, "")) for number in range(5)], 2)
        [True, False, True, False, True]
    """
    kept = [True] * len(frames)
    for places in _tracklets(frames):
        for number, place in enumerate(places):
            kept[place] = number % every == 0
    return kept


def keep_different(
    frames: Sequence[Frame], hashes: Sequence[int | None], min_distance: int
) -> list[bool]:
    """Say which frames are kept: those that differ from the last kept one of their tracklet.

    Args:
        frames: Images.
        hashes: Their perceptual hashes; an image without one is kept.
        min_distance: Least number of differing bits.
    """
    kept = [True] * len(frames)
    for places in _tracklets(frames):
        last: int | None = None
        for place in places:
            here = hashes[place]
            if here is None:
                continue
            if last is not None and (here ^ last).bit_count() < min_distance:
                kept[place] = False
            else:
                last = here
    return kept


def perceptual_hash(image: NDArray[np.uint8]) -> int:
    """Return 64 bits that images which look alike share, but for a few.

    The difference hash: of the image as 9×8 grey pixels, whether each is brighter than the one to
    its left.

    Args:
        image: RGB uint8 array of shape (height, width, 3).
    """
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def _tracklets(frames: Sequence[Frame]) -> Iterable[list[int]]:
    """Return the places of each tracklet's frames, in their order."""
    tracklets: dict[Hashable, list[int]] = {}
    for place, frame in enumerate(frames):
        if frame.tracklet is not None:
            tracklets.setdefault(frame.tracklet, []).append(place)
    for places in tracklets.values():
        places.sort(key=lambda place: frames[place].order)
    return tracklets.values()
