"""Which image of a plan goes into which tar shard, and the tables beside shards.

A shard holds images of one split in an order drawn by the seed, so that reading shards one after
the other reads the split shuffled. Each image has its record (``.json``) and its mask
(``.mask.png``) beside it; ``tars.py`` writes them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Final, get_args

from visnet_aug.builder.finished import stem_of
from visnet_aug.builder.passthrough import Passthrough
from visnet_aug.builder.plan import Plan, Planned, digest
from visnet_aug.builder.rows import Facts, split_of
from visnet_aug.errors import PlanError, RecipeError
from visnet_aug.manifest import ManifestRow, ManifestSplit, format_manifest
from visnet_aug.shards import SUFFIX, shard_of, table_of

FOLDER: Final = "shards"

MASK_SUFFIX: Final = ".mask.png"
RECORD_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class PackedImage:
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
    members: tuple[PackedImage, ...]


def images_in(item: Planned | Shard) -> int:
    """Return how many images an item of work makes."""
    return len(item.members) if isinstance(item, Shard) else 1


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


def check_count(count: int, plan: Plan) -> None:
    """Refuse a number of shards that a plan's images cannot be shared out among.

    Raises:
        PlanError: There are more splits, or fewer images.
    """
    sizes = Counter(split_of(image) for image in plan.images)
    if not len(sizes) <= count <= sizes.total():
        splits = ", ".join(split for split in get_args(ManifestSplit) if split in sizes)
        raise PlanError(
            f"cannot make {count:,} shards: each of {splits} needs one, and each shard an image; "
            f"ask for {len(sizes)} to {sizes.total():,}"
        )


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
                PackedImage(image, f"{path}/{_name(image.path)}", find_facts(image))
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
    """Share a number of shards out among splits of such sizes: to each one, to large ones more."""
    shares = dict.fromkeys(sizes, 1)
    for _ in range(count - len(sizes)):
        shares[max(sizes, key=lambda split: sizes[split] / shares[split])] += 1
    return shares


def _name(path: str) -> str:
    """Return an image's name in a shard: a key, which ends at the first dot, and one suffix."""
    suffix = ".png" if path.lower().endswith(".png") else ".jpg"
    return f"{stem_of(path).replace('.', '_')}{suffix}"


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
