"""A plan as work: the files that it comes to, one for each image or one for many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from visnet_aug.builder.engine import Item
from visnet_aug.builder.journal import Written, WrittenFile, images_of
from visnet_aug.builder.packing import Shard, pack
from visnet_aug.builder.plan import Plan, Planned
from visnet_aug.builder.rows import Facts


@dataclass(frozen=True, slots=True)
class Work:
    """The files of a plan.

    Attributes:
        stages: What is made, one stage after the other, by name; each item makes one file.
    """

    stages: Mapping[str, Sequence[Item]]

    @property
    def files(self) -> frozenset[str]:
        """Paths of all files, relative to the output."""
        return frozenset(item.path for item in self._items())

    @property
    def folders(self) -> frozenset[str]:
        """The folders of those files."""
        return frozenset(path.rpartition("/")[0] for path in self.files)

    def images(self, files: Mapping[str, WrittenFile]) -> dict[str, Written]:
        """Return what was written of each image, by its path in the plan.

        Args:
            files: All files, by their paths.
        """
        written = {image.path: image for image in images_of(files.values())}
        return {planned: written[path] for planned, path in self._places()}

    def _items(self) -> Iterator[Item]:
        for items in self.stages.values():
            yield from items

    def _places(self) -> Iterator[tuple[str, str]]:
        """Yield each image's path in the plan, and where it is written."""
        for item in self._items():
            if isinstance(item, Shard):
                yield from ((member.image.path, member.path) for member in item.members)
            else:
                yield item.path, item.path


def lay_out(
    plan: Plan, shards: int | None, seed: int, find_facts: Callable[[Planned], Facts]
) -> Work:
    """Lay a plan's images out in files.

    Args:
        plan: What is to be made.
        shards: Number of shards; ``None`` for a file for each image.
        seed: The run's.
        find_facts: Looks up what an image's row says beside.

    Raises:
        PlanError: There cannot be as many shards, or as few.
    """
    if shards is None:
        return Work({"pass through": plan.kept, "render": plan.tasks})
    return Work({"write shards": pack(plan, shards, seed, find_facts)})
