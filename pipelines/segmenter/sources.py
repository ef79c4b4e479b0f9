"""Where training pixels come from: photos with exact masks, crops with loose ones, backgrounds.

Everything is held decoded in memory, at several sizes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pipelines.segmenter.pictures import (
    U8,
    Box,
    Picture,
    box_of,
    cut_out,
    picture,
    soft_edge,
)

JUDGE_EVERY = 10
"""Every tenth photo, and every tenth identity, is kept for judging and never trained on."""

PHOTO_SCALE = 0.7
"""Photos are reduced to this. Their people are then some 270 pixels high, twice what a crop
shows."""

LOOSE = 1.6
"""How far the reference masks of Market-1501 reach beyond the person, in pixels; measured on the
strongest gradient across their borders. They also sit 0.4 pixels to the right."""

UNKNOWN = (-3.2, 1.0)
"""Around the border of a loose mask, from inside to outside of it in pixels, nothing is learned."""


@dataclass(frozen=True)
class MaskedImages:
    """Images of any size (h,w,3) RGB with a mask (h,w) 0 or 255 of their person."""

    images: tuple[U8, ...]
    masks: tuple[U8, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def pick(self, chosen: npt.NDArray[np.bool_]) -> MaskedImages:
        """Return those where ``chosen`` is true."""
        kept = np.flatnonzero(chosen)
        return MaskedImages(
            tuple(self.images[i] for i in kept),
            tuple(self.masks[i] for i in kept),
            tuple(self.names[i] for i in kept),
        )


@dataclass(frozen=True)
class Scene:
    """A person in their own surroundings.

    Attributes:
        image: RGB.
        label: Two channels: the person's opacity, and 255 where it is known.
        is_crop: Whether it is a crop, of which most must be shown, or a whole photo.
    """

    image: Picture
    label: Picture
    is_crop: bool


def read_image(path: Path) -> U8:
    """Read one image as RGB.

    Raises:
        FileNotFoundError: It isn't there or is no image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f"{path}: not a readable image")
    return np.ascontiguousarray(image[..., ::-1])


def read_masked(folder: Path) -> MaskedImages:
    """Read ``folder/images/*.jpg`` with ``folder/masks/*.png``, in the order of their names."""
    paths = sorted((folder / "images").glob("*.jpg"))
    if not paths:
        raise FileNotFoundError(f"{folder}: no images/*.jpg; unpack its zip there")
    masks = []
    for path in paths:
        mask = read_image(folder / "masks" / f"{path.stem}.png")[..., 0]
        masks.append(np.where(mask > 127, 255, 0).astype(np.uint8))
    return MaskedImages(tuple(map(read_image, paths)), tuple(masks), tuple(p.stem for p in paths))


def split_photos(photos: MaskedImages) -> tuple[MaskedImages, MaskedImages]:
    """Split into (training, judging): every tenth photo is never trained on."""
    judged = np.arange(len(photos)) % JUDGE_EVERY == 0
    return photos.pick(~judged), photos.pick(judged)


def split_by_identity(crops: MaskedImages) -> tuple[MaskedImages, MaskedImages]:
    """Split into (training, judging): a tenth of the identities is never trained on."""
    pids = [name.split("_")[0] for name in crops.names]
    judged = set(sorted(set(pids))[::JUDGE_EVERY])
    held_out = np.array([pid in judged for pid in pids])
    return crops.pick(~held_out), crops.pick(held_out)


def read_natural(folder: Path, pattern: str) -> tuple[tuple[U8, ...], tuple[str, ...]]:
    """Read the crops below ``folder`` whose name matches ``pattern``, in sorted order."""
    paths = sorted(p for p in folder.glob("*.jpg") if re.match(pattern, p.name))
    if not paths:
        raise FileNotFoundError(f"{folder}: no image matches {pattern}")
    return tuple(map(read_image, paths)), tuple(p.name for p in paths)


def exact_scenes(people: MaskedImages, *, are_crops: bool) -> tuple[Scene, ...]:
    """Make scenes of images whose masks are exact."""
    scenes = []
    for image, mask in zip(people.images, people.masks, strict=True):
        opacity = soft_edge(mask)
        label = np.dstack([opacity, np.full_like(opacity, 255)])
        scenes.append(_scene(image, label, box_of(mask), are_crops))
    return tuple(scenes)


def loose_scenes(crops: MaskedImages) -> tuple[Scene, ...]:
    """Make scenes of crops whose masks are loose: tightened, and unknown along the border."""
    scenes = []
    for image, mask in zip(crops.images, crops.masks, strict=True):
        distance = _distance(mask)
        tight = _ramp(distance, LOOSE, 1.0)
        known = (distance < -UNKNOWN[1]) | (distance > -UNKNOWN[0])
        if (tight > 127).any():
            label = np.dstack([tight, np.where(known, 255, 0).astype(np.uint8)])
            scenes.append(_scene(image, label, box_of(tight), True))
    return tuple(scenes)


def labelled_scenes(images: Sequence[U8], labels: Sequence[U8]) -> tuple[Scene, ...]:
    """Make scenes of crops that a network labelled: two channels, opacity and whether known."""
    pairs = zip(images, labels, strict=True)
    return tuple(_scene(image, label, box_of(label[..., 0]), True) for image, label in pairs)


def exact_cutouts(people: MaskedImages) -> tuple[Picture, ...]:
    """Cut people out along exact masks: RGB multiplied by the opacity, and the opacity."""
    kernel = np.ones((3, 3), np.uint8)
    cutouts = []
    for image, mask in zip(people.images, people.masks, strict=True):
        cut = cut_out(image, soft_edge(mask), cv2.erode(mask, kernel, iterations=2))
        cutouts.append(_trimmed(cut))
    return tuple(cutouts)


def loose_cutouts(crops: MaskedImages, seed: int) -> tuple[Picture, ...]:
    """Cut people out inside of loose masks, so that no rim of their background is taken along."""
    rng = np.random.default_rng(seed)
    cutouts = []
    for image, mask in zip(crops.images, crops.masks, strict=True):
        distance = _distance(mask)
        opacity = _ramp(distance, LOOSE + float(rng.uniform(0.1, 0.7)), 1.0)
        if (opacity > 127).any():
            inside = np.where(opacity > 250, 255, 0).astype(np.uint8)
            cutouts.append(_trimmed(cut_out(image, opacity, inside)))
    return tuple(cutouts)


def reduced(people: MaskedImages, scale: float = PHOTO_SCALE) -> MaskedImages:
    """Reduce images and masks (then soft, 0-255)."""
    pairs = zip(people.images, people.masks, strict=True)
    both = [tuple(_resize(side, scale) for side in pair) for pair in pairs]
    return MaskedImages(tuple(b[0] for b in both), tuple(b[1] for b in both), people.names)


def _resize(image: U8, scale: float) -> U8:
    return np.asarray(
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )


def _scene(image: U8, label: U8, box: Box, is_crop: bool) -> Scene:
    return Scene(picture(image, box), picture(np.ascontiguousarray(label), box), is_crop)


def _trimmed(cut: U8) -> Picture:
    """Keep a cut-out without the nothing around it."""
    x0, y0, x1, y1 = (int(v) for v in box_of(cut[..., 3]))
    top, left = max(0, y0 - 2), max(0, x0 - 2)
    part = np.ascontiguousarray(cut[top : y1 + 2, left : x1 + 2])
    return picture(part, box_of(part[..., 3]))


def _distance(mask: U8) -> npt.NDArray[np.float32]:
    """Return the distance in pixels to the mask's border, positive inside."""
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(255 - mask, cv2.DIST_L2, 5)
    return np.asarray(np.where(mask > 0, inside - 0.5, 0.5 - outside), np.float32)


def _ramp(distance: npt.NDArray[np.float32], middle: float, width: float) -> U8:
    """Return an opacity that rises from 0 to 255 over ``width`` pixels around ``middle``."""
    opacity = np.clip((distance - middle) / width + 0.5, 0, 1)
    return np.asarray(np.rint(255 * opacity), np.uint8)
