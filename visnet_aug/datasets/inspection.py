"""Opens many files to find out which are usable images, in worker processes where there are many.

Threads would not do: what Pillow and the checks around it do for a crop of 64×128 pixels holds
the interpreter's lock most of the time.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from visnet_aug.datasets.images import UnusableImage, UsableImage, inspect_image
from visnet_aug.processes import default_workers, spread

WORTHWHILE: Final = 4096
"""Files from which on processes save more time than it takes to start them: a third of a second."""

_CHUNK: Final = 256
"""Files per message to a worker: 25 ms of work or more."""


def inspect_files(
    paths: Sequence[str], workers: int | None = None
) -> Generator[UsableImage | UnusableImage]:
    """Yield of each file, in order, what `inspect_image` finds.

    It may start processes: a script that calls it needs ``if __name__ == "__main__":`` around
    what it does.

    Args:
        paths: The files.
        workers: Number of processes; one per processor when ``None``. Few files are looked at in
            this process.

    Raises:
        WorkerError: A worker process died.
    """
    workers = workers or default_workers()
    if workers == 1 or len(paths) < WORTHWHILE:
        yield from map(inspect_image, map(Path, paths))
        return
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    # Nothing is preloaded: rendering starts the server with all that rendering imports. Closed
    # early when the caller stops at an unusable image or the user interrupts.
    with closing(spread(_inspect, chunks, workers)) as results:
        for found in results:
            yield from found


def _inspect(paths: Sequence[str]) -> list[UsableImage | UnusableImage]:
    return [inspect_image(Path(path)) for path in paths]
