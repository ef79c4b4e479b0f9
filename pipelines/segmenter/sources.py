"""Where training pixels come from: masked crops, natural backgrounds, natural people.

Everything is held decoded in memory as uint8 at the crop size of Market-1501 (128x64).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

HEIGHT, WIDTH = 128, 64
JUDGE_EVERY = 10
"""Every tenth identity, in sorted order, is kept for judging and never trained on."""

U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class MaskedCrops:
    """Crops with a mask of their person: images (N,128,64,3) RGB, masks (N,128,64) 0 or 255."""

    images: U8
    masks: U8
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def pick(self, chosen: npt.NDArray[np.bool_]) -> MaskedCrops:
        """Return the crops where ``chosen`` is true."""
        names = tuple(name for name, keep in zip(self.names, chosen, strict=True) if keep)
        return MaskedCrops(self.images[chosen], self.masks[chosen], names)


def read_crop(path: Path) -> U8:
    """Read one image as RGB at the crop size."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f"{path}: not a readable image")
    if image.shape[:2] != (HEIGHT, WIDTH):
        image = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[..., ::-1])


def _read_mask(path: Path) -> U8:
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise FileNotFoundError(f"{path}: missing, or no image")
    return np.asarray(mask, np.uint8)


def read_masked_crops(folder: Path) -> MaskedCrops:
    """Read ``folder/images/*.jpg`` with ``folder/masks/*.png``."""
    paths = sorted((folder / "images").glob("*.jpg"))
    if not paths:
        raise FileNotFoundError(f"{folder}: no images/*.jpg; unpack person-masks.zip there")
    masks = [_read_mask(folder / "masks" / f"{p.stem}.png") for p in paths]
    binary = np.where(np.stack(masks) > 127, 255, 0).astype(np.uint8)
    return MaskedCrops(
        np.stack([read_crop(p) for p in paths]), binary, tuple(p.stem for p in paths)
    )


def split_by_identity(crops: MaskedCrops) -> tuple[MaskedCrops, MaskedCrops]:
    """Split into (training, judging): a tenth of the identities is never trained on."""
    pids = [name.split("_")[0] for name in crops.names]
    judged = set(sorted(set(pids))[::JUDGE_EVERY])
    held_out = np.array([pid in judged for pid in pids])
    return crops.pick(~held_out), crops.pick(held_out)


def read_natural(folder: Path, pattern: str) -> tuple[U8, tuple[str, ...]]:
    """Read the crops below ``folder`` whose name matches ``pattern``, in sorted order."""
    paths = sorted(p for p in folder.glob("*.jpg") if re.match(pattern, p.name))
    if not paths:
        raise FileNotFoundError(f"{folder}: no image matches {pattern}")
    return np.stack([read_crop(p) for p in paths]), tuple(p.name for p in paths)
