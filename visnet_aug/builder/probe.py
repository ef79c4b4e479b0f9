"""A background-sensitivity probe: the test images once more with each family's backgrounds.

Backgrounds bias re-identification: a network that was trained on a few cameras also learns their
walls and pavements (Tian et al., *Eliminating Background-Bias for Robust Person
Re-Identification*, CVPR 2018). A probe shows the same people with other backgrounds. How far
accuracy falls from the untouched images to these measures how much a network relies on backgrounds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from visnet_aug.builder.folder import REPORT_FOLDER
from visnet_aug.builder.plan import (
    Draft,
    Plan,
    Task,
    TaskSplit,
    arrange,
    digest,
    draw_seed,
    make_task,
    scaled,
)
from visnet_aug.datasets.record import Dataset, ImageRecord, Split
from visnet_aug.errors import PlanError, RecipeError
from visnet_aug.manifest import JUNK_PID
from visnet_aug.masks.store import FOLDER as MASK_FOLDER
from visnet_aug.masks.store import mask_name

if TYPE_CHECKING:
    from visnet_aug.recipe import Recipe

SPLITS: Final[Mapping[Split, TaskSplit]] = {"query": "probe-query", "gallery": "probe-gallery"}
"""Where the versions of each split's images go."""


def probe_recipe(recipe: Recipe, families: Collection[str] = ()) -> Recipe:
    """Reduce a recipe to what a probe takes from it, so that equal probes have equal recipes.

    Args:
        recipe: A build's; a probe ignores its number of images, its composition and the families'
            weights.
        families: The families to make versions of, enabled in the recipe or not; all enabled ones
            if empty.

    Raises:
        RecipeError: There is no family with one of these names.
    """
    defaults = type(recipe)()
    changes = {
        "images": defaults.images,
        "composition": defaults.composition,
        "backgrounds": recipe.backgrounds.only(families or recipe.backgrounds.names()),
    }
    return recipe.model_copy(update=changes)


def draft_probe(dataset: Dataset, recipe: Recipe, sample: int | None = None) -> Draft:
    """Draft a probe: query and gallery untouched, and with rewritten backgrounds for each family.

    Junk is left out, because evaluation ignores it. Images without a usable mask have no version;
    evaluation uses them untouched in every version.

    A sample has ``sample`` identities of the query, drawn by the recipe's seed, with all of their
    images, and the same share of the gallery images of nobody in the query (distractors and, in
    some sets, people without a query), rounded half up. A larger sample of one seed contains the
    smaller ones.

    Args:
        dataset: What was read.
        recipe: From `probe_recipe`.
        sample: Identities of the query to use, or ``None`` for all.

    Raises:
        PlanError: The query has fewer identities, or there are no test images.
        RecipeError: A family has the name of another folder of the output.
    """
    used = _select(dataset, sample, recipe.seed)
    folders = {*dataset.folders.values(), MASK_FOLDER, REPORT_FOLDER}
    for name in sorted(folders.intersection(recipe.backgrounds.names())):
        raise RecipeError(
            f"backgrounds.other.{name}: a probe has a folder of this name; rename the family"
        )
    return Draft(
        command={"command": "probe", "sample": sample},
        dataset=used,
        to_mask=used.records,
        plan=lambda maskable: _plan(used, maskable, recipe),
    )


def _select(dataset: Dataset, sample: int | None, seed: int) -> Dataset:
    """Return the test images without junk, or those of a sample of identities."""
    test = [r for r in dataset.records if r.split != "train" and r.pid != JUNK_PID]
    if not test:
        raise PlanError(
            f"{dataset.root}: has neither query nor gallery, which a probe is made of; give a "
            "dataset with both"
        )
    if sample is not None:
        test = _draw_sample(test, sample, seed)
    unusable = tuple(image for image in dataset.rejected if image.split != "train")
    return replace(dataset, records=tuple(test), rejected=unusable)


def _plan(dataset: Dataset, maskable: Collection[str], recipe: Recipe) -> Plan:
    """Plan a version of every maskable image for each enabled family."""
    maskable = frozenset(maskable)  # a list would be searched for each image
    sources = [r for r in dataset.records if mask_name(r.split, r.stem) in maskable]
    if not sources:
        raise PlanError(
            "cannot make a probe: no query or gallery image has a usable person mask "
            "(masks.csv has the reasons)"
        )
    families = recipe.backgrounds.names()
    tasks = [_version(source, name, dataset, recipe) for name in families for source in sources]
    return arrange(dataset.records, tasks, _arithmetic(dataset, sources, families), dataset)


def _draw_sample(test: Sequence[ImageRecord], count: int, seed: int) -> list[ImageRecord]:
    """Keep ``count`` identities of the query, and the same share of all other gallery images."""
    pids = {record.pid for record in test if record.split == "query"}
    if count > len(pids):
        raise PlanError(
            f"cannot sample {count:,} identities: the query has {len(pids):,}; ask for at most "
            "as many, or leave --sample out for all"
        )
    drawn = set(sorted(pids, key=lambda pid: digest(seed, "probe identity", pid))[:count])
    others = sorted(
        (record.name for record in test if record.pid not in pids),
        key=lambda name: digest(seed, "probe distractor", name),
    )
    kept = set(others[: scaled(len(others), count, len(pids))])
    return [r for r in test if r.pid in drawn or (r.pid not in pids and r.name in kept)]


def _version(source: ImageRecord, family: str, dataset: Dataset, recipe: Recipe) -> Task:
    """Make the task of one image in one version, drawn independently of all others.

    The split is part of the seed: a query and a gallery image with the same name would otherwise
    get the same background and be matched by it.
    """
    seed = draw_seed(recipe.seed, "probe", source.split, source.name, family)
    folder = f"{family}/{dataset.folders[source.split]}"
    return make_task(source, 1, family, seed, SPLITS[source.split], folder, recipe)


def _arithmetic(dataset: Dataset, sources: Sequence[ImageRecord], families: Sequence[str]) -> str:
    query, gallery = (len(dataset.split(split)) for split in SPLITS)
    total = query + gallery
    versions = len(sources) * len(families)
    return (
        f"{query:,} query + {gallery:,} gallery = {total:,} untouched; {len(sources):,} of them "
        f"maskable × {len(families)} families = {versions:,} versions; {total + versions:,} in all"
    )
