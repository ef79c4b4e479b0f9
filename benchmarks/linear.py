"""Measure how the time and memory of a build scale with 1, 2 and 4 times as many identities.

    python -m benchmarks.linear [--identities 600] [--to linear.json]

The datasets are drawn. Each build runs the real command, masks included, as a separate process into
a new folder. Its memory is the sum over all its processes. The cost per image is the slope between
the smallest and the largest build.
"""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from benchmarks.command import run
from visnet_aug.datasets.drawn.dataset import draw_dataset
from visnet_aug.manifest import read_manifest
from visnet_aug.processes import default_workers

STEPS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Measured:
    """One build; memory in MiB, times in seconds.

    Attributes:
        images: Number of images in the built set.
        masked: Number of training images; each gets a mask.
        seconds: From the start of the process to its end.
        stages: Seconds from the end of the previous stage to the end of each stage.
        peak: Peak memory of all processes together.
        main: Peak memory of the main process.
    """

    images: int
    masked: int
    seconds: float
    stages: Mapping[str, float]
    peak: float
    main: float


def measure(source: Path, out: Path, workers: int) -> Measured:
    """Build a dataset and monitor its processes."""
    took = run("build", "--src", source, "--out", out, "--workers", workers)
    return Measured(
        images=len(read_manifest(out / "manifest.csv")),
        masked=len((out / "masks.csv").read_text().splitlines()) - 1,
        seconds=took.seconds,
        stages=took.stages,
        peak=took.peak / 2**20,
        main=took.main / 2**20,
    )


@click.command()
@click.option("--identities", default=600, show_default=True, help="People of the smallest set.")
@click.option("--workers", type=click.IntRange(min=1), help="Default: one per processor.")
@click.option("--to", type=click.Path(path_type=Path), help="Where to write all that as JSON.")
def main(identities: int, workers: int | None, to: Path | None) -> None:
    """Draw, build and print for each size."""
    workers = workers or default_workers()
    print(f"{workers} workers, {platform.machine()}, Python {platform.python_version()}")
    print(f"{'':4}{'images':>8}{'masked':>8}{'seconds':>9}{'images/s':>10}{'MiB':>7}{'main':>7}")
    measured = []
    for step in STEPS:
        with tempfile.TemporaryDirectory(prefix="visnet-linear-") as folder:
            source, out = Path(folder) / "drawn", Path(folder) / "aug"
            draw_dataset(source, identities=step * identities, workers=workers)
            found = measure(source, out, workers)
        measured.append(found)
        print(
            f"{step}x  {found.images:8,}{found.masked:8,}{found.seconds:9.1f}"
            f"{found.images / found.seconds:10.0f}{found.peak:7.0f}{found.main:7.0f}",
            flush=True,
        )
    slopes = print_slopes(measured)
    if to:
        report = {"workers": workers, "builds": [asdict(one) for one in measured], **slopes}
        to.write_text(json.dumps(report, indent=2) + "\n")


def print_slopes(measured: list[Measured]) -> dict[str, float]:
    """Print the cost per image and the fixed cost."""
    small, large = measured[0], measured[-1]
    more = large.images - small.images
    slope = (large.seconds - small.seconds) / more
    slopes = {
        "milliseconds_per_image": 1000 * slope,
        "seconds_at_start": small.seconds - slope * small.images,
        "kib_per_image_main": 1024 * (large.main - small.main) / more,
        "kib_per_image_all": 1024 * (large.peak - small.peak) / more,
    }
    for name, value in slopes.items():
        print(f"{name.replace('_', ' '):28}{value:8.2f}")
    return slopes


if __name__ == "__main__":
    main()
