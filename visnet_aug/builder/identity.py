"""Which build a folder holds: source, recipe and versions as plain values, and their comparison."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import visnet_aug
from visnet_aug.datasets.record import Dataset
from visnet_aug.errors import OutputError
from visnet_aug.files import sha256_of
from visnet_aug.recipe import Recipe

if TYPE_CHECKING:
    from visnet_aug.masks.compute import MaskSummary

Identity: TypeAlias = Mapping[str, Any]
"""Everything that decides a build's bytes, as plain JSON values."""


def identify(
    command: Identity,
    dataset: Dataset,
    recipe: Recipe,
    passthrough: str,
    shards: int | None,
    segmenter_key: str | None,
) -> dict[str, Any]:
    """Return what two builds must have in common to make the same folder.

    `identify_masks` is added once the masks are known.

    Args:
        command: The command and the options that only it has.
        dataset: The part of the source that is used.
        recipe: What to build.
        passthrough: How untouched images get into the output.
        shards: Number of shards, or ``None``.
        segmenter_key: Names the segmenter; ``None``, and left out, if its weights are not on this
            machine.
    """
    return {
        **command,
        "recipe": recipe.model_dump(mode="json"),
        "source": source_digest(dataset),
        **({"segmenter": segmenter_key} if segmenter_key else {}),
        "passthrough": passthrough,
        "shards": shards,
        "versions": rendering_versions(),
    }


def identify_masks(masks: MaskSummary) -> dict[str, Any]:
    """Return which masks a build uses: they decide bytes, too, and people can edit them.

    ``masks`` is the hash of every image's verdict and mask: two builds with the same value used
    the same masks. ``edited_masks`` has the checksum of each edit, so that a later run can name
    the masks that were edited since.
    """
    lines = (
        f"{stem} {entry.verdict} {entry.mask_sha256}\n"
        for stem, entry in sorted(masks.entries.items())
    )
    edited = {stem: entry.mask_sha256 for stem, entry in masks.entries.items() if entry.edited}
    return {
        "masks": sha256_of("".join(lines).encode()),
        "edited_masks": edited,
    }


def source_digest(dataset: Dataset) -> str:
    """Hash the name, split and bytes of every usable image, and its path where that differs.

    The location of the dataset does not matter.
    """
    digest = hashlib.sha256(dataset.layout.encode())
    for record in dataset.records:
        origin = dataset.origin(record)
        own = origin == f"{dataset.folders[record.split]}/{record.name}"
        digest.update(f"{record.split}/{record.name}\0".encode())
        digest.update(f"{'' if own else origin + chr(0)}{record.sha256}\n".encode())
    return digest.hexdigest()


def rendering_versions() -> dict[str, str]:
    """Return the versions of everything that decides the bytes of a copy, given its mask."""
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


def differences(there: Identity, here: Identity, prefix: str = "") -> Iterator[str]:
    """Yield a phrase for each value in which two builds differ."""
    for key in sorted({*there, *here}):
        old, new = there.get(key), here.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key} is {_short(old)} there and {_short(new)} here"


def check_same(root: Path, there: Identity | None, wanted: Identity) -> None:
    """Refuse to resume another build.

    Args:
        root: The output folder.
        there: The build in it, if any.
        wanted: The build that is asked for, as far as it is known yet.

    Raises:
        OutputError: The folder holds another build; the message says what differs.
    """
    if there is None:
        return
    changes = list(differences({key: there.get(key) for key in wanted}, wanted))
    if changes:
        more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
        raise OutputError(
            f"{root}: holds another build: {changes[0]}{more}; --force starts over, or choose "
            "another --out"
        )


def check_masks(root: Path, there: Identity | None, wanted: Identity) -> None:
    """Refuse to resume a build whose masks have changed since.

    Args:
        root: The output folder.
        there: The build in it, if any.
        wanted: The build that is asked for, masks included.

    Raises:
        OutputError: Masks differ; the message says how many were edited by hand.
    """
    if there is None or there.get("masks") in (None, wanted["masks"]):
        return
    old, new = there.get("edited_masks", {}), wanted["edited_masks"]
    edited = sorted(stem for stem in {*old, *new} if old.get(stem) != new.get(stem))
    what = "its masks are not those that it was built with"
    if edited:
        are = "mask was" if len(edited) == 1 else "masks were"
        what = f"{len(edited):,} {are} edited by hand since it was built, such as {edited[0]}"
    raise OutputError(f"{root}: {what}; --force builds it again with the masks as they are now")


def _short(value: object) -> str:
    """Format a value of an identity for part of a line."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
