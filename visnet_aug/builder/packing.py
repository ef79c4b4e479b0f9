"""Tar shards: which image of a plan goes into which, and how one is written.

A shard holds images of one split in an order drawn by the seed, so that reading shards one after
the other reads the split shuffled. Each image is a sample of three files with one key, its stem:
the image, its record (``.json``) and its mask (``.mask.png``, black where there is no usable one).
Every sample has all three, because the WebDataset library, which reads and writes shards, expects
all samples to be like the first.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final, get_args

from visnet_aug.builder.plan import Plan, Planned, digest
from visnet_aug.builder.rows import Provenance, image_record, split_of, stem_of
from visnet_aug.errors import PlanError, RecipeError
from visnet_aug.files import replace_file
from visnet_aug.imports import without_torch
from visnet_aug.manifest import ManifestRow, ManifestSplit, format_manifest
from visnet_aug.shards import SUFFIX, shard_of, table_of

FOLDER: Final = "shards"

MASK_SUFFIX: Final = ".mask.png"
RECORD_SUFFIX: Final = ".json"

_OWNER: Final = "visnet"


@dataclass(frozen=True, slots=True)
class PackedImage:
    """One image of a shard.

    Attributes:
        image: How it is made.
        path: Where it lies, relative to the output: a path into the shard.
        provenance: Where it comes from.
    """

    image: Planned
    path: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard to write: one item of work with many images.

    Attributes:
        path: The tar, relative to the output.
        members: Its images, in order.
    """

    path: str
    members: tuple[PackedImage, ...]


def images_in(item: Planned | Shard) -> int:
    """Return how many images an item of work makes."""
    return len(item.members) if isinstance(item, Shard) else 1


def check_installed() -> None:
    """Refuse shards at once where the WebDataset library is missing.

    Raises:
        RecipeError: It is not installed.
    """
    if find_spec("webdataset") is None:
        raise RecipeError("--shards needs WebDataset; pip install 'visnet[shards]'")


def check_count(count: int, plan: Plan) -> None:
    """Refuse a number of shards that a plan's images cannot be divided into.

    Raises:
        PlanError: There are more splits, or fewer images, than shards.
    """
    sizes = Counter(split_of(image) for image in plan.images)
    if not len(sizes) <= count <= sizes.total():
        splits = ", ".join(split for split in get_args(ManifestSplit) if split in sizes)
        raise PlanError(
            f"cannot make {count:,} shards: each of {splits} needs one, and each shard an image; "
            f"ask for {len(sizes)} to {sizes.total():,}"
        )


def pack(
    plan: Plan, count: int, seed: int, find_provenance: Callable[[Planned], Provenance]
) -> tuple[Shard, ...]:
    """Put a plan's images into shards.

    Every split has one shard or more; each further shard goes to the split whose shards are the
    largest. Within a split, shards differ by at most one image. Which image is where follows from
    the seed and the image's name.

    Args:
        plan: What is to be made.
        count: Number of shards.
        seed: The run's.
        find_provenance: Looks up where an image comes from.

    Raises:
        PlanError: There are more splits, or fewer images, than shards.
    """
    check_count(count, plan)
    splits = _images_by_split(plan)
    shares = share_out(count, {split: len(images) for split, images in splits.items()})
    shards = []
    for split, images in splits.items():
        images.sort(key=lambda image: digest(seed, "shard", image.path))
        for number in range(shares[split]):
            path = f"{FOLDER}/{split}-{number:06d}{SUFFIX}"
            start, stop = (len(images) * end // shares[split] for end in (number, number + 1))
            members = (
                PackedImage(image, f"{path}/{_name(image.path)}", find_provenance(image))
                for image in images[start:stop]
            )
            shards.append(Shard(path, tuple(members)))
    return tuple(shards)


def _images_by_split(plan: Plan) -> dict[ManifestSplit, list[Planned]]:
    """Return a plan's images by the split that they will be in, in `ManifestSplit`'s order."""
    splits: dict[ManifestSplit, list[Planned]] = {name: [] for name in get_args(ManifestSplit)}
    for image in plan.images:
        splits[split_of(image)].append(image)
    return {split: images for split, images in splits.items() if images}


def share_out(count: int, sizes: Mapping[ManifestSplit, int]) -> dict[ManifestSplit, int]:
    """Divide a number of shards among splits by their sizes; every split gets one."""
    shares = dict.fromkeys(sizes, 1)
    for _ in range(count - len(sizes)):
        shares[max(sizes, key=lambda split: sizes[split] / shares[split])] += 1
    return shares


def _name(path: str) -> str:
    """Return an image's name in a shard: a key, which ends at the first dot, and one suffix."""
    suffix = ".png" if path.lower().endswith(".png") else ".jpg"
    return f"{stem_of(path).replace('.', '_')}{suffix}"


def shard_tables(rows: Iterable[ManifestRow]) -> dict[str, bytes]:
    """Return the tables beside shards, by path: each is the manifest of one shard.

    Args:
        rows: The whole set's.
    """
    shards: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in rows:
        if shard := shard_of(row.path):
            shards[shard].append(_within(row))
    tables = {table_of(shard): of for shard, of in shards.items()}
    return {path: format_manifest(path, of) for path, of in tables.items() if path}


def _within(row: ManifestRow) -> ManifestRow:
    """Return a row with paths relative to its shard's folder, its mask in the shard, too."""
    mask = companions(row.path)[1] if row.mask else None
    return replace(row, path=_beside(row.path), mask=mask and _beside(mask))


def _beside(path: str) -> str:
    return path.removeprefix(f"{FOLDER}/")


def companions(path: str) -> tuple[str, str]:
    """Return the paths of an image's record and mask in its shard."""
    key = f"{path.rpartition('/')[0]}/{stem_of(path)}"
    return f"{key}{RECORD_SUFFIX}", f"{key}{MASK_SUFFIX}"


class StoppedError(Exception):
    """The run ended before a shard was finished, which leaves nothing behind."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An image's files.

    Attributes:
        image: The image file's bytes.
        row: Its row in the manifest.
        mask: Bytes of its mask.
    """

    image: bytes
    row: ManifestRow
    mask: bytes


def write_shard(path: Path, samples: Iterable[Sample]) -> str:
    """Write a tar, sample by sample; the same samples give the same bytes.

    Returns:
        SHA-256 of its bytes, in hex.

    Raises:
        OutputError: It cannot be written.
    """
    checksum = hashlib.sha256()

    def write(file: BinaryIO) -> None:
        checked = _Checked(file, checksum.update)
        writer = _tar_writer()(checked, user=_OWNER, group=_OWNER, mtime=0, encoder=False)
        with writer as tar:
            for sample in samples:
                tar.write(_files(sample))

    replace_file(path, write)
    return checksum.hexdigest()


class _Checked:
    """A file to write to, whose bytes pass through a checksum."""

    def __init__(self, file: BinaryIO, update: Callable[[bytes], None]) -> None:
        self._file = file
        self._update = update

    def write(self, data: bytes) -> int:
        self._update(data)
        return self._file.write(data)


def _files(sample: Sample) -> dict[str, str | bytes]:
    """Return a sample as WebDataset takes it: its key, and its files' bytes by suffix."""
    path = sample.row.path
    record = image_record(sample.row)
    return {
        "__key__": stem_of(path),
        path.rpartition(".")[2]: sample.image,
        RECORD_SUFFIX[1:]: json.dumps(record, separators=(",", ":")).encode(),
        MASK_SUFFIX[1:]: sample.mask,
    }


def _tar_writer() -> Any:
    """Import WebDataset without torch, which only its readers need (1 s and 200 MB a process)."""
    with without_torch():
        import webdataset
    return webdataset.TarWriter
