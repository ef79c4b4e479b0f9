"""Measures the peak memory of reading a dataset, in bytes for each image.

    python -m benchmarks.reading_memory --images 200000

It reads a table whose files are taken for good without being opened: their pixels never stay in
memory.
"""

from __future__ import annotations

import argparse
import tempfile
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

from visnet_aug.datasets import reading
from visnet_aug.datasets.inspection import Source
from visnet_aug.datasets.sources import Look, SourceImage
from visnet_aug.datasets.table import Table


def main() -> None:
    """Print the peak, and what stays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    images = parser.parse_args().images
    opened = patch.object(reading, "inspect_files", _take_for_good)
    with opened, tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "labels.csv"
        with table.open("w") as file:
            file.write("path,pid,camid,split,frame\n")
            for n in range(images):
                name = f"people/{n // 20:06}/0002_c1s1_{n:08}.jpg"
                file.write(f"{name},{n // 20 + 1},{n % 6 + 1},train,{n}\n")
        tracemalloc.start()
        dataset = reading.read_layout(Path("/set"), Table([table]))
        stays, peak = tracemalloc.get_traced_memory()
    print(f"{len(dataset.records):,} images: {peak / images:,.0f} bytes each at the peak, ", end="")
    print(f"{stays / images:,.0f} when read")


def _take_for_good(
    sources: Sequence[Source], look: Look, workers: int | None = None
) -> Iterator[list[SourceImage]]:
    for n, (_, regions) in enumerate(sources):
        yield [SourceImage(64, 128, f"{n:064x}", ".jpg") for _ in regions]


if __name__ == "__main__":
    main()
