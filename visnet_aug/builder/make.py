"""Makes the files of a plan: one for each image or for many, those that are missing, in order.

The journal notes what was begun and finished, so that a killed build can be resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visnet_aug.builder.engine import Context, Engine, Item
from visnet_aug.builder.folder import MANIFEST, FolderContent, clear_way
from visnet_aug.builder.journal import Journal, Written, WrittenFile, images_of, journal_path
from visnet_aug.builder.packing import Shard, images_in, pack
from visnet_aug.builder.plan import Plan, Planned
from visnet_aug.builder.rows import Provenance
from visnet_aug.files import make_folder, remove_file, sha256_of_file
from visnet_aug.progress import Advance, Stage


@dataclass(frozen=True, slots=True)
class Work:
    """The files of a plan.

    Attributes:
        stages: The items of each stage, by the stage's name, in order; each item makes one file.
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
    plan: Plan, shards: int | None, seed: int, find_provenance: Callable[[Planned], Provenance]
) -> Work:
    """Divide a plan's images into files.

    Args:
        plan: What is to be made.
        shards: Number of shards; ``None`` for one file per image.
        seed: The run's.
        find_provenance: Looks up where an image comes from.

    Raises:
        PlanError: The images cannot be divided into so many shards.
    """
    if shards is None:
        return Work({"pass through": plan.kept, "render": plan.tasks})
    return Work({"write shards": pack(plan, shards, seed, find_provenance)})


def make_files(
    work: Work,
    found: FolderContent,
    identity: Mapping[str, Any],
    context: Context,
    engine: Engine,
    stage: Stage,
) -> tuple[int, dict[str, WrittenFile]]:
    """Make the files of a plan that are missing.

    Args:
        work: All files.
        found: What the output folder holds.
        identity: Which build it is.
        context: What all files share.
        engine: Makes them.
        stage: Reports progress.

    Returns:
        The number of images that an earlier run had made, and all files by path.

    Raises:
        VisnetError: One of its subclasses, as `Engine.make_files` and `clear_way` raise them.
    """
    out = context.out
    clear_way(out, work.folders, work.files)
    written = _still_sound(out, found, stage)
    before = sum(1 for _ in images_of(written.values()))
    with Journal(journal_path(out), identity, found.journal_size) as journal:
        for folder in work.folders:  # only now: the journal says whose they are
            make_folder(out / folder)
        if found.state == "finished":
            # Files of a finished build are missing: its manifest becomes a journal again.
            journal.finish(written.values())
            remove_file(out / MANIFEST)
        for name, items in work.stages.items():
            left = [item for item in items if item.path not in written]
            with stage(name) as advance:
                total = sum(map(images_in, items))
                _run(left, total, context, engine, journal, written, advance)
    return before, written


def _run(
    left: Sequence[Item],
    total: int,
    context: Context,
    engine: Engine,
    journal: Journal,
    written: dict[str, WrittenFile],
    advance: Advance,
) -> None:
    """Make some files, noting each in the journal and in ``written``; ``total`` counts images."""
    done = total - sum(map(images_in, left))
    advance(done, total)

    def finished(files: Sequence[WrittenFile]) -> None:
        nonlocal done
        journal.finish(files)
        written.update((file.path, file) for file in files)
        done += sum(1 for _ in images_of(files))
        advance(done, total)

    engine.make_files(
        left,
        context,
        begun=lambda items: journal.begin(item.path for item in items),
        finished=finished,
    )


def _still_sound(out: Path, found: FolderContent, stage: Stage) -> dict[str, WrittenFile]:
    """Return the files of an earlier run whose bytes are still what it wrote."""
    sound: dict[str, WrittenFile] = {}
    if not found.written:
        return sound
    with stage("check") as advance:
        for number, (path, written) in enumerate(found.written.items(), 1):
            with suppress(OSError):  # a file that cannot be read is made again
                if sha256_of_file(out / path) == written.sha256:
                    sound[path] = written
            advance(number, len(found.written))
    return sound
