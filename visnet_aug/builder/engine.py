"""What does a build's work: this machine's processes (``local.py``) or a Ray cluster (``ray.py``).

An engine works in processes of its own, which read images and write files themselves and return
one record for each; the main process keeps the books. The bytes are the same with every engine:
files follow from their items alone, masks from their batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from visnet_aug.builder.journal import WrittenFile
from visnet_aug.builder.packing import Shard, images_in
from visnet_aug.builder.plan import Planned
from visnet_aug.recipe import Recipe

if TYPE_CHECKING:
    from visnet_aug.masks.compute import SegmenterSource
    from visnet_aug.masks.store import MaskEntry
    from visnet_aug.masks.worker import MaskBatch

Item: TypeAlias = Planned | Shard
"""One item of work, which makes one file."""

Passthrough: TypeAlias = Literal["clone", "hardlink", "symlink"]
"""How untouched images get into the output: as files of their own, or as links to the source."""


@dataclass(frozen=True, slots=True)
class Context:
    """What all items of a build share.

    Attributes:
        recipe: What is built.
        out: The output folder, which holds the masks.
        passthrough: How untouched images get into it.
    """

    recipe: Recipe
    out: Path
    passthrough: Passthrough


class Engine(AbstractContextManager["Engine"], Protocol):
    """Does the work of one build; entered before its first call and left after its last.

    Whatever ends a call early, an interrupt included, work in progress is finished and reported
    first. Work that would take long may be dropped instead: it is not reported, and the next run
    does it again.
    """

    def describe(self) -> str:
        """Describe in a few words what does the work."""

    def make_masks(
        self,
        batches: Sequence[MaskBatch],
        segmenter: SegmenterSource,
        out: Path,
        ready: Callable[[], None],
        finished: Callable[[Sequence[MaskEntry]], None],
    ) -> None:
        """Compute batches of masks and write them.

        Args:
            batches: One or more; computed in any order, each as a whole.
            segmenter: Loaded by the workers.
            out: The output folder.
            ready: Called once the segmenter is loaded, before anything is written.
            finished: Called with the entries of a batch, in this thread.

        Raises:
            DatasetError: An image vanished or changed since the dataset was read.
            OutputError: A mask cannot be written.
            WeightsError: The segmenter cannot be loaded.
            WorkerError: A worker died.
        """

    def make_files(
        self,
        items: Iterable[Item],
        context: Context,
        *,
        begun: Callable[[Sequence[Item]], None],
        finished: Callable[[Sequence[WrittenFile]], None],
    ) -> None:
        """Make the files of all items.

        Args:
            items: What to make, in the order in which it is handed out.
            context: What they share.
            begun: Called with some items before a worker gets them.
            finished: Called with the files of some items when they are written.

        Raises:
            DatasetError: A source vanished or changed since the dataset was read.
            OutputError: A file cannot be written.
            WorkerError: A worker died.
        """


EngineFactory: TypeAlias = Callable[[int | None], Engine]
"""From a number of processes, ``None`` for as many as are useful, to an engine."""


def chunks(items: Iterable[Item], images: int) -> Iterator[list[Item]]:
    """Cut items into chunks of ``images`` images; a large shard is a chunk of its own."""
    chunk: list[Item] = []
    count = 0
    for item in items:
        chunk.append(item)
        count += images_in(item)
        if count >= images:
            yield chunk
            chunk, count = [], 0
    if chunk:
        yield chunk
