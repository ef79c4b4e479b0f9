"""Segmenters without a network. Worker processes import them by name: a module of their own."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visnet_aug.datasets.images import decode_rgb
from visnet_aug.errors import WeightsError
from visnet_aug.masks.person import PersonMask, Reason

LOST = 60.0
"""Seconds after which a process that was waited for is taken for lost."""


class Fake:
    """Looks at one image after the other."""

    on_cpu = True

    def segment(self, images: Sequence[NDArray[np.uint8]]) -> list[PersonMask]:
        return [self.find(image) for image in images]

    def find(self, image: NDArray[np.uint8]) -> PersonMask:
        raise NotImplementedError


class Ellipses(Fake):
    """Finds an ellipse in every image."""

    def find(self, image: NDArray[np.uint8]) -> PersonMask:
        height, width = image.shape[:2]
        y, x = np.ogrid[:height, :width]
        mask = ((x - width / 2) / (width / 4)) ** 2 + ((y - height / 2) / (height / 2.2)) ** 2 < 1
        return PersonMask(mask, float(mask.mean()), 0.9, None)


class Rated(Ellipses):
    """Predicts a quality for every mask, from 0 to 1 by the image; rejects those below 0.65."""

    def find(self, image: NDArray[np.uint8]) -> PersonMask:
        quality = hashlib.sha256(image.tobytes()).digest()[0] / 255
        reason: Reason | None = "low_quality" if quality < 0.65 else None
        return replace(super().find(image), quality=quality, reason=reason)


class Blind(Fake):
    """Finds nobody."""

    def find(self, image: NDArray[np.uint8]) -> PersonMask:
        return PersonMask(None, 0.0, 0.0, "no_person")


@dataclass(frozen=True)
class Picky(Ellipses):
    """Rejects the mask of one image."""

    shunned: Path
    reason: Reason = "border"

    def find(self, image: NDArray[np.uint8]) -> PersonMask:
        found = super().find(image)
        odd = np.array_equal(image, decode_rgb(self.shunned.read_bytes()))
        return replace(found, reason=self.reason) if odd else found


class Gregarious(Ellipses):
    """What it says of an image depends on the batch: on its size, its order and every pixel."""

    def segment(self, images: Sequence[NDArray[np.uint8]]) -> list[PersonMask]:
        shared = hashlib.sha256(b"".join(image.tobytes() for image in images)).digest()[0] / 256
        return [
            replace(found, confidence=(shared + n / len(images)) / 2)
            for n, found in enumerate(super().segment(images))
        ]


class Loud(Ellipses):
    """Says in each mask's confidence which process it is in: its number in millionths."""

    def __init__(self, on_cpu: bool = True, peers: int = 1, place: Path | None = None) -> None:
        self.on_cpu = on_cpu
        self._peers, self._place = peers, place

    def segment(self, images: Sequence[NDArray[np.uint8]]) -> list[PersonMask]:
        me = os.getpid()
        if self._place is not None:  # wait until as many processes are at work
            (self._place / f"{me}.here").touch()
            end = time.monotonic() + LOST
            while len(list(self._place.glob("*.here"))) < self._peers:
                assert time.monotonic() < end, f"fewer than {self._peers} processes have come"
                time.sleep(0.001)
        return [replace(found, confidence=me / 10**6) for found in super().segment(images)]


class Unloadable(Fake):
    """Cannot be loaded."""

    def __init__(self) -> None:
        raise WeightsError("broken.pt: not weights")
