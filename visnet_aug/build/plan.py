"""From a dataset and a recipe to the exact list of files to make: pure, no imaging.

Every choice is drawn from hashes of the run's seed and of names, so a plan depends on nothing but
its arguments: not on the order of files on disk, on workers, or on what an earlier run had done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from visnet_aug.backgrounds.settings import draw_variant
from visnet_aug.datasets.record import Dataset, ImageRecord
from visnet_aug.errors import PlanError

if TYPE_CHECKING:
    from visnet_aug.recipe import Recipe

OutputSplit: TypeAlias = Literal["train", "val", "query", "gallery"]

PUBLISHED_RATIO = (19_772, 12_936)
"""Training images of the published augmented set, and of Market-1501, from which it was made."""

PUBLISHED_COPIES = 2
"""Copies of every maskable image in the published set."""

VAL_FOLDER = "bounding_box_val"
"""Where copies of split ``val`` go: beside the folders that training tools read, so that none of
them takes them for training or test images."""


@dataclass(frozen=True, slots=True)
class Task:
    """One augmented copy to make: all that decides its bytes, beside its source and mask.

    Attributes:
        source: The image whose background is rewritten.
        copy: Counted from 1 within the source.
        family: Family of the background transform.
        variant: Technique within the family.
        intensity: Strength in 0..1.
        seed: 64 bits from run seed, source name and copy; seeds whatever else is drawn.
        split: ``train`` or, in the published composition, ``val``.
        path: Where the copy goes, relative to the output, with ``/``.
    """

    source: ImageRecord
    copy: int
    family: str
    variant: str
    intensity: float
    seed: int
    split: Literal["train", "val"]
    path: str


@dataclass(frozen=True, slots=True)
class Kept:
    """One image passed through untouched.

    Attributes:
        source: The image.
        path: Where it goes, relative to the output, with ``/``.
    """

    source: ImageRecord
    path: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Every file that a build makes, sorted by path within ``kept`` and within ``tasks``.

    Attributes:
        kept: Query, gallery and, unless the composition leaves them out, training originals.
        tasks: The copies to make.
        arithmetic: One line that says how the total comes about.
    """

    kept: tuple[Kept, ...]
    tasks: tuple[Task, ...]
    arithmetic: str

    @property
    def total(self) -> int:
        """Number of images, which is the number of rows in the manifest."""
        return len(self.kept) + len(self.tasks)

    def paths(self) -> Iterator[str]:
        """Yield the relative path of every image."""
        yield from (kept.path for kept in self.kept)
        yield from (task.path for task in self.tasks)

    @property
    def folders(self) -> frozenset[str]:
        """The folders of all images, relative to the output."""
        return frozenset(path.rpartition("/")[0] for path in self.paths())


def make_plan(dataset: Dataset, maskable: Collection[str], recipe: Recipe) -> Plan:
    """Turn the number of images asked for into exactly that many files.

    ``recipe.images`` counts the whole set: train, query and gallery. ``auto`` scales the training
    images by the published ratio (12,936 to 19,772) and adds query and gallery as they are.

    The two compositions:

    - ``originals-and-copies``: every training image as it is, and copies for the rest of the
      number. Copies per maskable image differ by at most one; who gets the odd one is spread over
      identities in proportion to their maskable images, and over cameras within each.
    - ``published``: no originals; two copies of every maskable image, of which as many as the
      number leaves room for are drawn as ``train``. The rest are ``val``, beside that number.

    In both, an image's copies take different families until all are used, and the totals of
    families of equal weight differ by at most one.

    Args:
        dataset: What was read.
        maskable: Stems of the training images that have a usable mask.
        recipe: Number, composition, encoding, families and seed.

    Returns:
        The plan.

    Raises:
        PlanError: The number cannot be made; the message has the arithmetic.
    """
    train = dataset.split("train")
    sources = spread_order([r for r in train if r.stem in maskable], recipe.seed)
    test = [*dataset.split("query"), *dataset.split("gallery")]
    asked = _asked_for(len(train), len(test), recipe)
    if recipe.composition == "published":
        copies = _published_copies(len(sources), len(test), asked, recipe)
        tasks = _split_published(
            _tasks(sources, copies, dataset, recipe), asked - len(test), recipe
        )
        originals: tuple[ImageRecord, ...] = ()
        line = (
            f"{len(sources):,} maskable images × {PUBLISHED_COPIES} copies = {len(tasks):,}: "
            f"{asked - len(test):,} train, {len(tasks) - asked + len(test):,} val; "
            f"{asked - len(test):,} train + {_test_terms(dataset)} = {asked:,}"
        )
    else:
        wanted = _wanted_copies(dataset, len(sources), asked, recipe)
        tasks = _tasks(sources, _even_counts(len(sources), wanted, recipe.seed), dataset, recipe)
        originals = train
        line = f"{len(train):,} originals + {wanted:,} copies + {_test_terms(dataset)} = {asked:,}"
    kept = [Kept(r, f"{dataset.folders[r.split]}/{r.name}") for r in (*originals, *test)]
    return Plan(
        kept=tuple(sorted(kept, key=lambda kept: kept.path)),
        tasks=tuple(sorted(tasks, key=lambda task: task.path)),
        arithmetic=line,
    )


def published_size(train: int) -> int:
    """Scale a number of training images by the published ratio, rounded half up."""
    made, read = PUBLISHED_RATIO
    return (2 * train * made + read) // (2 * read)


def task_seed(run_seed: int, source_name: str, copy: int) -> int:
    """Return the 64-bit seed of one copy."""
    return int.from_bytes(_digest(run_seed, "copy", source_name, copy)[:8], "big")


def spread_order(records: Iterable[ImageRecord], seed: int) -> list[ImageRecord]:
    """Put images in the order in which copies are dealt out.

    Images of one identity stand together and, within it, those of one camera, so that whatever
    is dealt evenly along the row is even over identities and cameras as well. Which identity,
    camera and image comes first is drawn.
    """
    return sorted(
        records,
        key=lambda record: (
            _digest(seed, "identity", record.pid),
            _digest(seed, "camera", record.pid, record.camid),
            _digest(seed, "image", record.name),
        ),
    )


def deal_families(
    counts: Sequence[int], weights: Mapping[str, float], seed: int
) -> Iterator[tuple[int, int, str]]:
    """Deal families to copies, image by image.

    Each image takes the families that are furthest behind their share, all different until none
    is left; ties are drawn. With equal weights the totals then never differ by more than one,
    whatever the counts: an image adds at most one to the least used families first. With unequal
    weights this is Sainte-Laguë's method of sharing out seats.

    Args:
        counts: Copies of each image, in the row's order.
        weights: Share of each enabled family, above 0.
        seed: The run's seed.

    Yields:
        Index of the image, copy counted from 1, family.
    """
    used = dict.fromkeys(weights, 0)
    for image, count in enumerate(counts):
        left: list[str] = []
        for copy in range(1, count + 1):
            left = left or sorted(
                weights,
                key=lambda name: (
                    (used[name] + 0.5) / weights[name],
                    _digest(seed, "family", image, copy, name),
                ),
            )
            family = left.pop(0)
            used[family] += 1
            yield image, copy, family


def _digest(seed: int, *parts: object) -> bytes:
    """Hash the run's seed and some names; a zero byte between them keeps them apart."""
    return hashlib.sha256("\0".join(map(str, (seed, *parts))).encode()).digest()


def _asked_for(train: int, test: int, recipe: Recipe) -> int:
    return published_size(train) + test if recipe.images == "auto" else recipe.images


def _test_terms(dataset: Dataset) -> str:
    return f"{len(dataset.split('query')):,} query + {len(dataset.split('gallery')):,} gallery"


def _wanted_copies(dataset: Dataset, maskable: int, asked: int, recipe: Recipe) -> int:
    """Return how many copies the default composition needs, or refuse with the arithmetic."""
    there = len(dataset.records)
    terms = f"{len(dataset.split('train')):,} originals + {_test_terms(dataset)} = {there:,}"
    wanted = asked - there
    if wanted < 0:
        raise PlanError(
            f"cannot make {asked:,} images: {terms} already; ask for at least {there:,}"
        )
    if wanted and not maskable:
        raise PlanError(
            f"cannot make {asked:,} images: {terms}, which leaves {wanted:,} copies to make, but "
            "no training image has a usable person mask (see masks.csv for the reasons)"
        )
    return wanted


def _published_copies(maskable: int, test: int, asked: int, recipe: Recipe) -> list[int]:
    """Return two copies for each image, or refuse what they cannot fill."""
    made = PUBLISHED_COPIES * maskable
    terms = f"{maskable:,} maskable images × {PUBLISHED_COPIES} copies = {made:,}"
    if len(recipe.backgrounds.names()) < PUBLISHED_COPIES:
        raise PlanError(
            f"the published composition takes {PUBLISHED_COPIES} different families for each "
            f"image, but the recipe enables {len(recipe.backgrounds.names())}"
        )
    if asked <= test:
        raise PlanError(
            f"cannot make {asked:,} images: query and gallery are {test:,} already and no training "
            f"image would be left; ask for {test + 1:,} to {test + made:,}"
        )
    if asked - test > made:
        raise PlanError(
            f"cannot make {asked:,} images: {asked:,} − {test:,} query and gallery leaves "
            f"{asked - test:,} copies for train, but {terms}; ask for at most {test + made:,}"
        )
    return [PUBLISHED_COPIES] * maskable


def _even_counts(images: int, copies: int, seed: int) -> list[int]:
    """Share copies among images standing in ``spread_order``, odd ones at even distances.

    Systematic sampling: any stretch of the row (an identity, a camera within it) gets its exact
    share of the odd copies, rounded down or up.
    """
    if not images:
        return []
    each, odd = divmod(copies, images)
    start = int.from_bytes(_digest(seed, "odd copies")[:8], "big") % images
    return [
        each + ((i + 1) * odd + start) // images - (i * odd + start) // images
        for i in range(images)
    ]


def _tasks(
    sources: Sequence[ImageRecord], counts: Sequence[int], dataset: Dataset, recipe: Recipe
) -> list[Task]:
    """Make the tasks, all of them as ``train``."""
    tasks = []
    families = recipe.backgrounds.families()
    weights = {name: families[name].weight for name in recipe.backgrounds.names()}
    for index, copy, family in deal_families(counts, weights, recipe.seed):
        source = sources[index]
        seed = task_seed(recipe.seed, source.name, copy)
        variant, intensity = draw_variant(recipe.backgrounds, family, np.random.default_rng(seed))
        name = f"{source.stem}_{copy}_{family}{_suffix(source, recipe.encoding)}"
        path = f"{dataset.folders['train']}/{name}"
        tasks.append(Task(source, copy, family, variant, intensity, seed, "train", path))
    return tasks


def _split_published(tasks: list[Task], train: int, recipe: Recipe) -> list[Task]:
    """Leave ``train`` drawn tasks as they are and move the rest to ``val``."""
    drawn = sorted(tasks, key=lambda t: _digest(recipe.seed, "train or val", t.source.name, t.copy))
    return [*drawn[:train], *(_as_val(task) for task in drawn[train:])]


def _as_val(task: Task) -> Task:
    return replace(task, split="val", path=f"{VAL_FOLDER}/{task.path.rpartition('/')[2]}")


def _suffix(source: ImageRecord, encoding: str) -> str:
    is_png = encoding == "png" or (encoding == "match" and source.name.lower().endswith(".png"))
    return ".png" if is_png else ".jpg"
