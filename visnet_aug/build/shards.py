"""A plan's images in tar shards that the WebDataset library reads: which goes where, and writing.

A shard holds images of one split in an order drawn by the seed, so that reading shards one after
the other reads the split shuffled. Each image is a sample of three files with one key, its stem:
the image, its record (``.json``) and its mask (``.mask.png``, black where no usable one is known).
All samples have all three, and a record has a value for what only copies have, too: readers take
the first sample for the rule.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final, get_args

from visnet_aug.backgrounds.loading import temporary_entry
from visnet_aug.build.finished import stem_of
from visnet_aug.build.metadata import describe_image
from visnet_aug.build.passthrough import Passthrough
from visnet_aug.build.plan import Plan, Planned, digest
from visnet_aug.build.rows import Facts, split_of
from visnet_aug.errors import PlanError, RecipeError
from visnet_aug.files import replace_file
from visnet_aug.manifest import ManifestRow, ManifestSplit, format_manifest
from visnet_aug.shards import SUFFIX, shard_of, table_of

FOLDER: Final = "shards"

MASK_SUFFIX: Final = ".mask.png"
RECORD_SUFFIX: Final = ".json"

_OWNER: Final = "visnet"


@dataclass(frozen=True, slots=True)
class Member:
    """One image of a shard.

    Attributes:
        image: How it is made.
        path: Where it lies, relative to the output: a path into the shard.
        facts: What else its row says.
    """

    image: Planned
    path: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard to write: one item of work that makes many images.

    Attributes:
        path: The tar, relative to the output.
        members: Its images, in order.
    """

    path: str
    members: tuple[Member, ...]


def images_in(item: Planned | Shard) -> int:
    """Return how many images an item of work makes."""
    return len(item.members) if isinstance(item, Shard) else 1


class StoppedError(Exception):
    """The run ended before a shard was finished; there is nothing of it."""


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


def check_shards(count: int | None, passthrough: Passthrough) -> None:
    """Refuse at once what shards cannot do, if any are wanted.

    Raises:
        RecipeError: Untouched images are to be links, or WebDataset is not installed.
    """
    if count is None:
        return
    if passthrough != "copy":
        raise RecipeError(
            f"--shards with --passthrough {passthrough}: a tar holds images, not links; leave one "
            "of them out"
        )
    if find_spec("webdataset") is None:
        raise RecipeError("--shards needs WebDataset; pip install 'visnet[shards]'")


def pack(
    plan: Plan, count: int, seed: int, find_facts: Callable[[Planned], Facts]
) -> tuple[Shard, ...]:
    """Put a plan's images into shards.

    Every split has one shard at least, and each further one goes to the split whose shards are
    the largest. Within a split the shards differ by at most one image. Which image is where
    follows from the seed and its name.

    Args:
        plan: What is to be made.
        count: Number of shards.
        seed: The run's.
        find_facts: Looks up what an image's row says beside.

    Raises:
        PlanError: There are more splits, or fewer images.
    """
    splits = images_by_split(plan)
    shares = share_out(count, splits)
    shards = []
    for split, images in splits.items():
        images.sort(key=lambda image: digest(seed, "shard", image.path))
        for number in range(shares[split]):
            path = f"{FOLDER}/{split}-{number:06d}{SUFFIX}"
            start, stop = (len(images) * end // shares[split] for end in (number, number + 1))
            members = (
                Member(image, f"{path}/{_name(image.path)}", find_facts(image))
                for image in images[start:stop]
            )
            shards.append(Shard(path, tuple(members)))
    return tuple(shards)


def images_by_split(plan: Plan) -> dict[ManifestSplit, list[Planned]]:
    """Return a plan's images by the split that they will be in, in `ManifestSplit`'s order."""
    splits: dict[ManifestSplit, list[Planned]] = {name: [] for name in get_args(ManifestSplit)}
    for image in plan.images:
        splits[split_of(image)].append(image)
    return {split: images for split, images in splits.items() if images}


def share_out(
    count: int, splits: Mapping[ManifestSplit, Collection[Planned]]
) -> dict[ManifestSplit, int]:
    """Share a number of shards out among splits, given the images of each.

    Raises:
        PlanError: There are more splits, or fewer images.
    """
    sizes = {split: len(images) for split, images in splits.items()}
    if not len(sizes) <= count <= sum(sizes.values()):
        raise PlanError(
            f"cannot make {count:,} shards: each of {', '.join(sizes)} needs one, and each shard "
            f"an image; ask for {len(sizes)} to {sum(sizes.values()):,}"
        )
    shares = dict.fromkeys(sizes, 1)
    for _ in range(count - len(sizes)):
        shares[max(sizes, key=lambda split: sizes[split] / shares[split])] += 1
    return shares


def shard_tables(rows: Iterable[ManifestRow]) -> dict[str, bytes]:
    """Make the tables beside shards, by path: each a manifest of what is in one of them.

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
    """Return a row with paths relative to where its shard lies, where its mask is, too."""
    mask = companions(row.path)[1] if row.mask else None
    return replace(row, path=_beside(row.path), mask=mask and _beside(mask))


def _beside(path: str) -> str:
    return path.removeprefix(f"{FOLDER}/")


def companions(path: str) -> tuple[str, str]:
    """Return what lies beside an image in its shard: its record, its mask."""
    key = f"{path.rpartition('/')[0]}/{stem_of(path)}"
    return f"{key}{RECORD_SUFFIX}", f"{key}{MASK_SUFFIX}"


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
    """Return a sample as WebDataset has it: a key, and a file's bytes by what follows the key."""
    path = sample.row.path
    record = describe_image(sample.row)
    return {
        "__key__": stem_of(path),
        path.rpartition(".")[2]: sample.image,
        RECORD_SUFFIX[1:]: json.dumps(record, separators=(",", ":")).encode(),
        MASK_SUFFIX[1:]: sample.mask,
    }


def _name(path: str) -> str:
    """Return an image's name in a shard: a key, which ends at the first dot, and one suffix."""
    suffix = ".png" if path.lower().endswith(".png") else ".jpg"
    return f"{stem_of(path).replace('.', '_')}{suffix}"


def _tar_writer() -> Any:
    """Import WebDataset without torch, which only its readers need (1 s and 200 MB a process)."""
    with ExitStack() as stack:
        if "torch" not in sys.modules:
            stack.enter_context(temporary_entry(sys.modules, "torch", None))
        import webdataset
    return webdataset.TarWriter
