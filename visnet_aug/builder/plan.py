"""From a dataset and a recipe to the exact list of files to make: pure, no imaging.

Every choice is drawn from hashes of the run's seed and of names, so a plan depends on its arguments
alone: not on the order of files on disk, on workers, or on what an earlier run did.

There are two plans: an augmented set (here) and a probe (``probe.py``). Each is drafted before the
masks are known; the draft says which images to mask, and makes the plan when they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from visnet_aug.backgrounds.settings import draw_variant
from visnet_aug.datasets.record import Dataset, ImageRecord
from visnet_aug.errors import PlanError

if TYPE_CHECKING:
    from visnet_aug.recipe import Recipe

TaskSplit: TypeAlias = Literal["train", "val", "probe-query", "probe-gallery"]
"""Splits that hold images with a rewritten background."""

PUBLISHED_RATIO = (19_772, 12_936)
"""Training images of the published augmented set, and of Market-1501, from which it was made."""

PUBLISHED_COPIES = 2
"""Copies of every maskable image in the published set."""

VAL_FOLDER = "bounding_box_val"
"""Where copies of split ``val`` go: beside the folders that training tools read, so that no tool
takes them for training or test images."""


@dataclass(frozen=True, slots=True)
class Task:
    """One copy to make: everything that decides its bytes, beside its source and mask.

    Attributes:
        source: The image whose background is rewritten.
        copy: Counted from 1 within the source.
        family: Family of the background transform.
        variant: Variant within the family.
        intensity: Strength in 0..1.
        seed: 64 bits from the run's seed and the copy's name; seeds everything else that is drawn.
        split: ``train``, in the published composition also ``val``; in a probe, its splits.
        path: Where the copy goes, relative to the output, with ``/``.
    """

    source: ImageRecord
    copy: int
    family: str
    variant: str
    intensity: float
    seed: int
    split: TaskSplit
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


Planned: TypeAlias = Kept | Task
"""One image of a plan."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Every file that a build makes, sorted by path within ``kept`` and within ``tasks``.

    Attributes:
        kept: What is passed through: query, gallery and, unless the composition leaves them out
            or it is a probe, training originals.
        tasks: The copies to make.
        arithmetic: How the total comes about, in one line.
    """

    kept: tuple[Kept, ...]
    tasks: tuple[Task, ...]
    arithmetic: str

    @property
    def total(self) -> int:
        """Number of images, which is the number of rows in the manifest."""
        return len(self.kept) + len(self.tasks)

    @property
    def images(self) -> tuple[Planned, ...]:
        """Every image, kept ones first."""
        return self.kept + self.tasks


@dataclass(frozen=True, slots=True)
class Draft:
    """What is decided before masks are known.

    Attributes:
        command: The command and the options that only it has, as plain JSON values.
        dataset: The part of the source that is used.
        to_mask: The images whose backgrounds are rewritten if they have a usable mask.
        plan: Makes the plan from the names (`mask_name`) of the images with a usable mask; raises
            `PlanError` where what is asked for cannot be made.
    """

    command: Mapping[str, Any]
    dataset: Dataset
    to_mask: tuple[ImageRecord, ...]
    plan: Callable[[Collection[str]], Plan]


def draft_set(dataset: Dataset, recipe: Recipe) -> Draft:
    """Draft an augmented set: a whole dataset whose training images get copies; see `make_plan`.

    Raises:
        PlanError: The number of images cannot be made, whatever the masks.
    """
    _shares(dataset, len(dataset.split("train")), recipe)
    return Draft(
        command={"command": "build"},
        dataset=dataset,
        to_mask=dataset.split("train"),
        plan=lambda maskable: make_plan(dataset, maskable, recipe),
    )


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
    maskable = frozenset(maskable)  # a list would be searched through for each image
    sources = spread_order((r for r in dataset.split("train") if r.stem in maskable), recipe.seed)
    copies, train = _shares(dataset, len(sources), recipe)
    tasks = _tasks(sources, _even_counts(len(sources), copies, recipe.seed), dataset, recipe)
    if recipe.composition == "published":
        tasks = _split_published(tasks, train, recipe.seed)
    kept = (r for r in dataset.records if r.split != "train" or recipe.composition != "published")
    arithmetic = _arithmetic(dataset, len(sources), copies, train, recipe)
    return arrange(kept, tasks, arithmetic, dataset)


def arrange(
    kept: Iterable[ImageRecord], tasks: Iterable[Task], arithmetic: str, dataset: Dataset
) -> Plan:
    """Put a plan together in its order; what is kept stays in its own folder."""
    untouched = (Kept(record, f"{dataset.folders[record.split]}/{record.name}") for record in kept)
    return Plan(
        kept=tuple(sorted(untouched, key=lambda kept: kept.path)),
        tasks=tuple(sorted(tasks, key=lambda task: task.path)),
        arithmetic=arithmetic,
    )


def published_size(train: int) -> int:
    """Scale a number of training images by the published ratio, rounded half up."""
    return scaled(train, *PUBLISHED_RATIO)


def scaled(number: int, part: int, whole: int) -> int:
    """Return the part of a number that is ``part / whole`` of it, rounded half up."""
    return (2 * number * part + whole) // (2 * whole)


def task_seed(run_seed: int, source_name: str, copy: int) -> int:
    """Return the 64-bit seed of one copy in an augmented set."""
    return draw_seed(run_seed, "copy", source_name, copy)


def draw_seed(run_seed: int, *parts: object) -> int:
    """Return a 64-bit seed from the run's and from what tells this one from others."""
    return int.from_bytes(digest(run_seed, *parts)[:8], "big")


def make_task(
    source: ImageRecord,
    copy: int,
    family: str,
    seed: int,
    split: TaskSplit,
    folder: str,
    recipe: Recipe,
) -> Task:
    """Draw variant and intensity of one copy, and name its file below ``folder``."""
    variant, intensity = draw_variant(
        recipe.backgrounds.family(family), np.random.default_rng(seed)
    )
    name = f"{source.stem}_{copy}_{family}{_suffix(source, recipe.encoding)}"
    return Task(source, copy, family, variant, intensity, seed, split, f"{folder}/{name}")


def spread_order(records: Iterable[ImageRecord], seed: int) -> list[ImageRecord]:
    """Put images in the order in which copies are dealt out.

    Images of one identity stand together and, within it, those of one camera, so that whatever
    is dealt evenly along the row is even over identities and cameras as well. Which identity,
    camera and image comes first is drawn.
    """
    return sorted(
        records,
        key=lambda record: (
            digest(seed, "identity", record.pid),
            digest(seed, "camera", record.pid, record.camid),
            digest(seed, "image", record.name),
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
                    digest(seed, "family", image, copy, name),
                ),
            )
            family = left.pop(0)
            used[family] += 1
            yield image, copy, family


def digest(seed: int, *parts: object) -> bytes:
    """Hash the run's seed and some names; a zero byte between them keeps them apart."""
    return hashlib.sha256("\0".join(map(str, (seed, *parts))).encode()).digest()


def _shares(dataset: Dataset, maskable: int, recipe: Recipe) -> tuple[int, int]:
    """Turn the number asked for into copies to make and training images to have.

    Raises:
        PlanError: There are no such numbers.
    """
    originals = len(dataset.split("train"))
    test = len(dataset.records) - originals
    asked = published_size(originals) + test if recipe.images == "auto" else recipe.images
    train = asked - test
    if recipe.composition == "published":
        copies = PUBLISHED_COPIES * maskable
        problem = _published_problem(dataset, copies, train, recipe)
    else:
        copies = train - originals
        problem = _default_problem(dataset, copies, maskable)
    if problem:
        raise PlanError(f"cannot make {asked:,} images: {problem}")
    return copies, train


def _default_problem(dataset: Dataset, copies: int, maskable: int) -> str | None:
    there = len(dataset.records)
    terms = f"{len(dataset.split('train')):,} originals + {_test_terms(dataset)} = {there:,}"
    if copies < 0:
        return f"{terms} already; ask for at least {there:,}"
    if copies and not maskable:
        return (
            f"{terms}, which leaves {copies:,} copies to make, but no training image has a usable "
            "person mask (masks.csv has the reasons)"
        )
    return None


def _published_problem(dataset: Dataset, copies: int, train: int, recipe: Recipe) -> str | None:
    test = len(dataset.records) - len(dataset.split("train"))
    families = len(recipe.backgrounds.names())
    if families < PUBLISHED_COPIES:
        return (
            f"the published composition takes {PUBLISHED_COPIES} different families for each "
            f"image, but the recipe enables {families}"
        )
    if train < 1:
        return f"{_test_terms(dataset)} = {test:,} leave no room for train; ask for {test + 1:,}"
    if train > copies:
        return (
            f"{_test_terms(dataset)} = {test:,} leave {train:,} for train, but "
            f"{copies // PUBLISHED_COPIES:,} maskable images × {PUBLISHED_COPIES} copies = "
            f"{copies:,}; ask for at most {test + copies:,}"
        )
    return None


def _arithmetic(dataset: Dataset, maskable: int, copies: int, train: int, recipe: Recipe) -> str:
    asked = train + len(dataset.records) - len(dataset.split("train"))
    if recipe.composition == "published":
        return (
            f"{maskable:,} maskable images × {PUBLISHED_COPIES} copies = {copies:,} = {train:,} "
            f"train + {copies - train:,} val; {train:,} train + {_test_terms(dataset)} = {asked:,}"
        )
    originals = len(dataset.split("train"))
    return f"{originals:,} originals + {copies:,} copies + {_test_terms(dataset)} = {asked:,}"


def _test_terms(dataset: Dataset) -> str:
    return f"{len(dataset.split('query')):,} query + {len(dataset.split('gallery')):,} gallery"


def _even_counts(images: int, copies: int, seed: int) -> list[int]:
    """Share copies among images standing in ``spread_order``, odd ones at even distances.

    Systematic sampling: any stretch of the row (an identity, a camera within it) gets its exact
    share of the odd copies, rounded down or up.
    """
    if not images:
        return []
    each, odd = divmod(copies, images)
    start = int.from_bytes(digest(seed, "odd copies")[:8], "big") % images
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
        folder = dataset.folders["train"]
        tasks.append(make_task(source, copy, family, seed, "train", folder, recipe))
    return tasks


def _split_published(tasks: list[Task], train: int, seed: int) -> list[Task]:
    """Leave ``train`` drawn tasks as they are and move the rest to ``val``."""
    drawn = sorted(tasks, key=lambda t: digest(seed, "train or val", t.source.name, t.copy))
    return [*drawn[:train], *(_as_val(task) for task in drawn[train:])]


def _as_val(task: Task) -> Task:
    return replace(task, split="val", path=f"{VAL_FOLDER}/{task.path.rpartition('/')[2]}")


def _suffix(source: ImageRecord, encoding: str) -> str:
    is_png = encoding == "png" or (encoding == "match" and source.name.lower().endswith(".png"))
    return ".png" if is_png else ".jpg"
