"""A background-sensitivity probe: the test images once more with each family's backgrounds.

Backgrounds bias re-identification: a network that was trained on a few cameras learns their
walls and pavements, too (Tian et al., *Eliminating Background-Bias for Robust Person
Re-Identification*, CVPR 2018). A probe holds the same people before other backgrounds; how far
accuracy falls on it, against the untouched images beside it, is how much a network looks there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from visnet_aug.builder.card import probe_card
from visnet_aug.builder.output import REPORT_FOLDER
from visnet_aug.builder.plan import (
    Plan,
    Task,
    TaskSplit,
    arrange,
    digest,
    draw_seed,
    make_task,
    scaled,
)
from visnet_aug.datasets.record import JUNK_PID, Dataset, ImageRecord, Split
from visnet_aug.errors import PlanError, RecipeError
from visnet_aug.masks.store import FOLDER as MASK_FOLDER
from visnet_aug.masks.store import mask_name

if TYPE_CHECKING:
    from visnet_aug.builder.product import Conclusion
    from visnet_aug.recipe import Recipe

SPLITS: Final[Mapping[Split, TaskSplit]] = {"query": "probe-query", "gallery": "probe-gallery"}
"""Where the versions of each split's images go."""


def probe_recipe(recipe: Recipe, families: Collection[str] = ()) -> Recipe:
    """Reduce a recipe to what a probe takes from it, so that equal probes have equal recipes.

    Args:
        recipe: A build's; its number of images, its composition and the
                families' shares say nothing to a probe.
        families: The families to make versions of, enabled in the recipe or not; all enabled
            ones if there are none.

    Raises:
        RecipeError: There is no family of one of the names.
    """
    defaults = type(recipe)()
    changes = {
        "images": defaults.images,
        "composition": defaults.composition,
        "backgrounds": recipe.backgrounds.only(families or recipe.backgrounds.names()),
    }
    return recipe.model_copy(update=changes)


@dataclass(frozen=True, slots=True)
class Probe:
    """Query and gallery untouched and, for each family, with rewritten backgrounds.

    Junk is left out: evaluation ignores it. Images without a usable mask have no version, and
    stand untouched in all of them. `probe_recipe` makes the recipe to go with it.

    Attributes:
        sample: Identities of the query to use, or ``None`` for all; see `select`.
    """

    sample: int | None = None

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name the command, and how many identities were drawn."""
        return {"command": "probe", "sample": self.sample}

    @property
    def title(self) -> str:
        """Name the probe."""
        return "Background-sensitivity probe for re-identification"

    @property
    def about(self) -> str:
        """Say what a version is."""
        return (
            "The query and gallery images of a re-identification set as they are and, for each "
            "family of backgrounds, once more with the background rewritten and the pixels of the "
            "person (or vehicle) left as they are."
        )

    def select(self, dataset: Dataset, recipe: Recipe) -> Dataset:
        """Return the test images without junk, or those of a sample of identities.

        A sample has ``sample`` identities of the query, drawn by the recipe's seed, all of their
        images, and the same share of all gallery images of nobody in the query (distractors and,
        in some sets, people without a query), rounded half up. A larger sample of one seed holds
        the smaller ones.

        Raises:
            PlanError: The query has fewer identities, or there are no test images at all.
        """
        test = [r for r in dataset.records if r.split != "train" and r.pid != JUNK_PID]
        if not test:
            raise PlanError(
                f"{dataset.root}: has neither query nor gallery, which a probe is made of; give a "
                "dataset with both"
            )
        if self.sample is not None:
            test = _draw_sample(test, self.sample, recipe.seed)
        unusable = tuple(image for image in dataset.rejected if image.split != "train")
        return replace(dataset, records=tuple(test), rejected=unusable)

    def to_mask(self, dataset: Dataset) -> tuple[ImageRecord, ...]:
        """Return all of query and gallery."""
        return dataset.records

    def check(self, dataset: Dataset, recipe: Recipe) -> None:
        """Refuse a family whose folder would be another one of the output.

        Raises:
            RecipeError: There is one.
        """
        for name in {*dataset.folders.values(), MASK_FOLDER, REPORT_FOLDER}.intersection(
            recipe.backgrounds.names()
        ):
            raise RecipeError(
                f"backgrounds.other.{name}: a probe has a folder of this name; rename the family"
            )

    def plan(self, dataset: Dataset, maskable: Collection[str], recipe: Recipe) -> Plan:
        """Plan a version of every maskable image for each enabled family.

        Raises:
            PlanError: No image has a usable mask.
        """
        maskable = frozenset(maskable)  # a list would be searched through for each image
        sources = [r for r in dataset.records if mask_name(r.split, r.stem) in maskable]
        if not sources:
            raise PlanError(
                "cannot make a probe: no query or gallery image has a usable person mask "
                "(masks.csv has the reasons)"
            )
        families = recipe.backgrounds.names()
        tasks = [_version(source, name, dataset, recipe) for name in families for source in sources]
        return arrange(dataset.records, tasks, _arithmetic(dataset, sources, families), dataset)

    def card(self, build: Conclusion) -> str:
        """Write the probe's card, which says what it is not for."""
        return probe_card(build)


def _draw_sample(test: Sequence[ImageRecord], count: int, seed: int) -> list[ImageRecord]:
    """Keep ``count`` identities of the query, and the same share of what is none of them."""
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
    """Make the task of one image in one version, drawn apart from all others.

    The split is part of the seed: a query and a gallery image of one name would otherwise get
    one background, and be told for each other by it.
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
