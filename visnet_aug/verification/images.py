"""Checks a source image and everything made from it: bytes, pixels, mask, person.

This is what verification's worker processes do. Each file is judged once: a file that differs from
its row is not compared with anything.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.datasets.images import decode_rgb
from visnet_aug.errors import DatasetError, OutputError
from visnet_aug.files import sha256_of
from visnet_aug.masks.person import Mask
from visnet_aug.masks.store import read_mask
from visnet_aug.shards import read_bytes
from visnet_aug.verification.verdict import Problem

PEAK: Final = 255.0
"""Largest value of a pixel, for signal-to-noise ratios."""

LOWEST_PSNR: Final = 15.0
"""Below this, in dB, a lossy copy doesn't show its source's person. On ``market1501-dev`` the
lowest of 3,978 copies with ``match`` has 25.8 dB, and with JPEG of quality 1 the lowest of 200 has
17.2; other people's pixels under the same masks have 5 to 14.7, a median of 10."""

_PNG_HEADER: Final = struct.Struct(">8s4x4s2I2B")
"""Signature, chunk's name, width, height, bit depth, colour type."""
_ONE_BIT_GREY: Final = (1, 0)


@dataclass(frozen=True, slots=True)
class ListedImage:
    """What a row says about its file.

    Attributes:
        row: Number of the row.
        path: Relative to the output.
        sha256: Of its bytes.
        size: Width and height in pixels.
        augmented: Whether it is a copy.
        hashed: Whether its perceptual hash is wanted.
    """

    row: int
    path: str
    sha256: str
    size: tuple[int, int]
    augmented: bool
    hashed: bool


@dataclass(frozen=True, slots=True)
class SourceGroup:
    """A source image with everything made from it.

    Attributes:
        images: Its files in the output, itself included if it was kept.
        mask: Path of the mask relative to the output, if it has one.
        mask_sha256: Of the mask's bytes; ``None`` if no table says so.
        mask_edited: Whether a person made the mask's file, which may then be any kind of PNG.
        source: Path of the source, if it is not among the images.
        source_sha256: Of its bytes.
    """

    images: tuple[ListedImage, ...]
    mask: str | None
    mask_sha256: str | None
    mask_edited: bool = False
    source: Path | None = None
    source_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """What encoding did to the person of one copy.

    Attributes:
        row: Number of the row.
        form: ``JPEG`` or ``PNG``.
        values: Pixels under the mask times channels.
        squared: Sum of squared differences from the source's.
    """

    row: int
    form: str
    values: int
    squared: int

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in dB."""
        return psnr(self.squared, self.values)


@dataclass(slots=True)
class Findings:
    """What was found in some images.

    Attributes:
        problems: What is wrong.
        hashes: Row and perceptual hash of the images for which it was wanted.
        losses: Comparisons of copies with their sources.
        uncompared: Sound copies with no source to compare them with.
        images: How many were checked.
    """

    problems: list[Problem] = field(default_factory=list)
    hashes: list[tuple[int, int]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    uncompared: int = 0
    images: int = 0

    def add(self, other: Findings) -> None:
        """Add what was found in other images."""
        self.problems += other.problems
        self.hashes += other.hashes
        self.losses += other.losses
        self.uncompared += other.uncompared
        self.images += other.images


def psnr(squared: int, values: int) -> float:
    """Return the peak signal-to-noise ratio of a sum of squared differences, in dB."""
    if not squared:
        return float("inf")
    return float(10 * np.log10(PEAK**2 * values / squared))


def perceptual_hash(image: NDArray[np.uint8]) -> int:
    """Return 64 bits that images which look alike share, but for a few.

    The difference hash: of the image as 9×8 grey pixels, whether each is brighter than the one to
    its left.

    Args:
        image: RGB uint8 H×W×3.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def check_images(groups: Sequence[SourceGroup], root: Path, quick: bool) -> Findings:
    """Check some images; with ``quick``, only their bytes."""
    found = Findings()
    for group in groups:
        _check_group(group, root, quick, found)
    return found


def _check_group(group: SourceGroup, root: Path, quick: bool, found: Findings) -> None:
    size = group.images[0].size
    mask = _check_mask(group, root, size, quick, found)
    source, copies = None, []
    for listed in group.images:
        found.images += 1
        data = _sound_bytes(root, listed.path, listed.sha256, found)
        if data is None or quick:
            continue
        image = _decode(data, listed, found)
        if image is None:
            continue
        if listed.hashed:
            found.hashes.append((listed.row, perceptual_hash(image)))
        if listed.augmented:
            copies.append((listed, data, image))
        else:
            source = image
    if copies and group.source is not None:
        source = _outside_source(group.source, group.source_sha256, found)
    for listed, data, image in copies:
        if source is None or mask is None:
            found.uncompared += 1
        else:
            _compare(listed, data, image, source, mask, found)


def _sound_bytes(root: Path, path: str, sha256: str | None, found: Findings) -> bytes | None:
    """Read a file, or what a path into a shard leads to, if it is there and has its checksum."""
    try:
        data = read_bytes(root, path)
    except OSError as error:
        dangling = (root / path).is_symlink() and isinstance(error, FileNotFoundError)
        why = "a link to nothing" if dangling else error.strerror
        found.problems.append(Problem("missing", f"{path}: {why}"))
        return None
    if sha256 is not None and sha256_of(data) != sha256:
        what = "" if data else ": it is empty"
        found.problems.append(Problem("changed", f"{path}{what}"))
        return None
    return data


def _decode(data: bytes, listed: ListedImage, found: Findings) -> NDArray[np.uint8] | None:
    try:
        image = decode_rgb(data)
    except DatasetError as error:
        found.problems.append(Problem("pixels", f"{listed.path}: {error}"))
        return None
    width, height = listed.size
    if image.shape[:2] != (height, width):
        there = f"{image.shape[1]}×{image.shape[0]}"
        problem = f"{listed.path}: {there} pixels instead of {width}×{height}"
        found.problems.append(Problem("pixels", problem))
        return None
    return image


def _check_mask(
    group: SourceGroup, root: Path, size: tuple[int, int], quick: bool, found: Findings
) -> Mask | None:
    """Check a mask, and read it if pixels are looked at."""
    if group.mask is None:
        return None
    problem = _mask_problem(root / group.mask, group.mask_sha256, group.mask_edited, size)
    if problem is None and not quick:
        try:
            mask = read_mask(root / group.mask, (size[1], size[0]))
        except OutputError:
            problem = "cannot be decoded"
        else:
            if mask.any():
                return mask
            problem = "it is all black"
    if problem is not None:
        found.problems.append(Problem("mask", f"{group.mask}: {problem}"))
    return None


def _mask_problem(
    file: Path, sha256: str | None, edited: bool, size: tuple[int, int]
) -> str | None:
    try:
        data = file.read_bytes()
    except OSError as error:
        return error.strerror or "cannot be read"
    if sha256 is not None and sha256_of(data) != sha256:
        return "changed since it was used"
    if len(data) < _PNG_HEADER.size or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "no PNG"
    if edited:
        return None
    _, _, width, height, depth, colours = _PNG_HEADER.unpack_from(data)
    if (depth, colours) != _ONE_BIT_GREY:
        return f"not of one bit a pixel (PNG depth {depth}, colour type {colours})"
    if (width, height) != size:
        return f"{width}×{height} pixels instead of its image's {size[0]}×{size[1]}"
    return None


def _outside_source(file: Path, sha256: str | None, found: Findings) -> NDArray[np.uint8] | None:
    """Read a source that the output does not hold."""
    data = _sound_bytes(Path(), str(file), sha256, found)
    try:
        return None if data is None else decode_rgb(data)
    except DatasetError as error:
        found.problems.append(Problem("pixels", f"{file}: {error}"))
        return None


def _compare(
    listed: ListedImage,
    data: bytes,
    image: NDArray[np.uint8],
    source: NDArray[np.uint8],
    mask: Mask,
    found: Findings,
) -> None:
    """Compare a copy's person with the source's."""
    if not image.shape[:2] == source.shape[:2] == mask.shape:
        problem = f"{listed.path}: not of its source's size"
        found.problems.append(Problem("foreground", problem))
        return
    difference = image[mask].astype(np.int32) - source[mask]
    form = "PNG" if data.startswith(b"\x89PNG") else "JPEG"
    loss = Loss(listed.row, form, difference.size, int(np.square(difference).sum()))
    found.losses.append(loss)
    if form == "PNG" and loss.squared:
        changed = int(difference.any(axis=1).sum())
        problem = f"{listed.path}: {changed:,} pixels under the mask are not the source's"
        found.problems.append(Problem("foreground", problem))
    elif loss.psnr < LOWEST_PSNR:
        problem = f"{listed.path}: the person is not the source's ({loss.psnr:.1f} dB)"
        found.problems.append(Problem("foreground", problem))
