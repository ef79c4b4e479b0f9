"""What the conductor makes: an augmented set, or a probe (``probe.py``).

The conductor reads, masks, renders and writes; a product says which images, and what of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from visnet_aug.builder.card import dataset_card
from visnet_aug.builder.plan import Plan, check_number, make_plan
from visnet_aug.builder.rows import BuildSummary, summarise
from visnet_aug.datasets.record import Dataset, ImageRecord
from visnet_aug.manifest import ManifestRow

if TYPE_CHECKING:
    from visnet_aug.masks.compute import MaskSummary
    from visnet_aug.recipe import Recipe


class Product(Protocol):
    """What the conductor asks; pure functions of dataset and recipe."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What tells it from all other products of one recipe, as plain JSON values.

        ``command`` is always among them.
        """

    @property
    def title(self) -> str:
        """What the set is called in its card."""

    @property
    def about(self) -> str:
        """What it is, in two or three sentences."""

    def select(self, dataset: Dataset, recipe: Recipe) -> Dataset:
        """Return the part of a dataset that is used.

        Raises:
            PlanError: The part asked for is more than there is.
        """

    def to_mask(self, dataset: Dataset) -> tuple[ImageRecord, ...]:
        """Return the images whose backgrounds are rewritten, if they have a usable mask."""

    def check(self, dataset: Dataset, recipe: Recipe) -> None:
        """Refuse at once what cannot be made whatever the masks.

        Raises:
            VisnetError: One of its subclasses.
        """

    def plan(self, dataset: Dataset, maskable: Collection[str], recipe: Recipe) -> Plan:
        """List every file; ``maskable`` has the names (`mask_name`) of images with a usable mask.

        Raises:
            PlanError: What is asked for cannot be made.
        """

    def card(self, build: Conclusion) -> str:
        """Write the card of what was made as Markdown."""


@dataclass(frozen=True)
class Decision:
    """All that is decided before the first image is written.

    Attributes:
        product: What is made.
        dataset: What of the source takes part.
        recipe: What was asked for.
        identity: Which build it is.
        masks: What the mask stage did.
        plan: What is to be made.
    """

    product: Product
    dataset: Dataset
    recipe: Recipe
    identity: Mapping[str, Any]
    masks: MaskSummary
    plan: Plan


@dataclass(frozen=True)
class Conclusion(Decision):
    """All that is known when the last image is written.

    Attributes:
        rows: The manifest.
        shards: Checksums of shards, by path and in its order.
    """

    rows: Sequence[ManifestRow]
    shards: Mapping[str, str]

    @cached_property
    def summary(self) -> BuildSummary:
        """Counts of the rows."""
        return summarise(self.rows)


@dataclass(frozen=True, slots=True)
class AugmentedSet:
    """A whole dataset, its training images joined or replaced by copies: see `make_plan`."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name the command."""
        return {"command": "build"}

    @property
    def title(self) -> str:
        """Name the set."""
        return "Re-identification set with rewritten backgrounds"

    @property
    def about(self) -> str:
        """Say what an augmented image is."""
        return (
            "Crops for re-identification across cameras. In every augmented training image the "
            "pixels of the person (or vehicle) are the source's; only the background is another "
            "one (VisNet paper, section II-G, equation 21)."
        )

    def select(self, dataset: Dataset, recipe: Recipe) -> Dataset:
        """Use the whole dataset."""
        return dataset

    def to_mask(self, dataset: Dataset) -> tuple[ImageRecord, ...]:
        """Return the training images: test images stay as they are."""
        return dataset.split("train")

    def check(self, dataset: Dataset, recipe: Recipe) -> None:
        """Refuse a number of images that no masks could make possible; see `check_number`."""
        check_number(dataset, recipe)

    def plan(self, dataset: Dataset, maskable: Collection[str], recipe: Recipe) -> Plan:
        """Plan the number of images asked for; see `make_plan`."""
        return make_plan(dataset, maskable, recipe)

    def card(self, build: Conclusion) -> str:
        """Write the dataset's card."""
        return dataset_card(build)


AUGMENTED_SET: Final = AugmentedSet()
