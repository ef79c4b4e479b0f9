"""Which build it is: source, recipe and the versions that decide the bytes, as plain values."""

from __future__ import annotations

import hashlib
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import visnet_aug
from visnet_aug.builder.passthrough import Passthrough
from visnet_aug.builder.product import Product
from visnet_aug.datasets.record import Dataset
from visnet_aug.recipe import Recipe

if TYPE_CHECKING:
    from visnet_aug.masks.compute import MaskSummary


def identify(
    product: Product,
    dataset: Dataset,
    recipe: Recipe,
    passthrough: Passthrough,
    shards: int | None,
    segmenter_key: str | None,
) -> dict[str, Any]:
    """Return what two builds must have in common to make the same folder.

    `identify_masks` comes on top once the masks are known. A segmenter whose weights are not on
    this machine has no key (``None``) and is left out.
    """
    return {
        **product.identity,
        "recipe": recipe.model_dump(mode="json"),
        "source": source_digest(dataset),
        **({"segmenter": segmenter_key} if segmenter_key else {}),
        "passthrough": passthrough,
        "shards": shards,
        "versions": rendering_versions(),
    }


def identify_masks(masks: MaskSummary) -> dict[str, Any]:
    """Return which masks a build uses: they decide bytes, too, and can be edited by hand.

    ``masks`` is the hash of every image's verdict and mask: two builds with equal ones used equal
    masks. ``edited_masks`` has the checksum of each edit, so that a later run can name the masks
    that were edited since.
    """
    lines = (
        f"{stem} {entry.verdict} {entry.mask_sha256}\n"
        for stem, entry in sorted(masks.entries.items())
    )
    edited = {stem: entry.mask_sha256 for stem, entry in masks.entries.items() if entry.edited}
    return {
        "masks": hashlib.sha256("".join(lines).encode()).hexdigest(),
        "edited_masks": edited,
    }


def source_digest(dataset: Dataset) -> str:
    """Hash the name, split and bytes of every usable image, and its path if that is another.

    Where the dataset lies does not matter.
    """
    digest = hashlib.sha256(dataset.layout.encode())
    for record in dataset.records:
        origin = dataset.origin(record)
        own = origin == f"{dataset.folders[record.split]}/{record.name}"
        digest.update(f"{record.split}/{record.name}\0".encode())
        digest.update(f"{'' if own else origin + chr(0)}{record.sha256}\n".encode())
    return digest.hexdigest()


def rendering_versions() -> dict[str, str]:
    """Return the versions of all that decides the bytes of a copy, given its mask."""
    import cv2
    from PIL import features

    return {
        "visnet": visnet_aug.__version__,
        "albumentations": version("albumentations"),
        "numpy": version("numpy"),
        "opencv": cv2.__version__,
        "pillow": version("pillow"),
        "jpeg": str(features.version("libjpeg_turbo") or features.version("jpg")),
        "zlib": str(features.version("zlib_ng") or features.version("zlib")),
    }


def other_versions() -> dict[str, str]:
    """Return the versions that only masks may depend on, read without importing anything."""
    return {
        "python": platform.python_version(),
        "torch": _first_version("torch"),
        "ultralytics": _first_version("ultralytics-opencv-headless", "ultralytics"),
    }


def _first_version(*names: str) -> str:
    """Return the version of the first of some distributions that is installed."""
    for name in names:
        with suppress(PackageNotFoundError):
            return version(name)
    return "not installed"
