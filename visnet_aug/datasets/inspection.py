"""Opens many files to find out which are usable images, in worker processes where there are many.

Threads would not do: what Pillow and the checks around it do for a crop of 64×128 pixels holds
the interpreter's lock most of the time.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from visnet_aug.datasets.images import UnusableImage
from visnet_aug.datasets.record import Region
from visnet_aug.datasets.sources import Look, SourceImage, inspect_source
from visnet_aug.processes import default_workers, spread

WORTHWHILE: Final = 4096
"""Files from which on processes save more time than it takes to start them: a third of a second."""

Source: TypeAlias = tuple[str, tuple[Region | None, ...]]
"""A file, and which parts of it are images; ``None`` for all of it."""

_CHUNK: Final = 256
"""Files per message to a worker: 25 ms of work or more."""


def inspect_files(
    sources: Sequence[Source], look: Look, workers: int | None = None
) -> Generator[list[SourceImage | UnusableImage]]:
    """Yield of each file, in order, what `inspect_source` finds.

    It may start processes: a script that calls it needs ``if __name__ == "__main__":`` around
    what it does.

    Args:
        sources: The files.
        look: What is wanted of them.
        workers: Number of processes; one per processor when ``None``. Few files are looked at in
            this process.

    Raises:
        WorkerError: A worker process died.
    """
    workers = workers or default_workers()
    if workers == 1 or len(sources) < WORTHWHILE:
        yield from _inspect(look, sources)
        return
    chunks = [sources[start : start + _CHUNK] for start in range(0, len(sources), _CHUNK)]
    # Nothing is preloaded: rendering starts the server with all that rendering imports. Closed
    # early when the caller stops at an unusable image or the user interrupts.
    with closing(spread(partial(_inspect_all, look), chunks, workers)) as results:
        for found in results:
            yield from found


def _inspect(look: Look, sources: Sequence[Source]) -> Generator[list[SourceImage | UnusableImage]]:
    for path, regions in sources:
        yield inspect_source(Path(path), regions, look)


def _inspect_all(look: Look, sources: Sequence[Source]) -> list[list[SourceImage | UnusableImage]]:
    return list(_inspect(look, sources))
