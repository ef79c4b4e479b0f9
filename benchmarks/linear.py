"""Whether time and memory of a build grow as its dataset does: 1, 2 and 4 times as many people.

    python -m benchmarks.linear [--identities 600] [--to linear.json]

The datasets are drawn. Each build is the real command in processes of its own, masks included,
into a fresh folder. Its memory is what all of them hold at once, looked up every fifth of a second:
proportional set sizes, in which a page that several processes share counts once. What one image
costs is the slope between the smallest build and the largest.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import psutil

from visnet_aug.datasets.drawn.dataset import draw_dataset
from visnet_aug.manifest import read_manifest
from visnet_aug.processes import default_workers

STEPS = (1, 2, 4)

PERIOD = 0.2
"""Seconds between two looks at the memory; reading it takes a few milliseconds a process."""

COMMAND = (sys.executable, "-c", "from visnet_aug.cli.main import main; main()")

STAGE = re.compile(r"^(?P<name>[a-z][a-z ]{11}) .* in (?P<seconds>[0-9.]+) s$", re.MULTILINE)
"""The line of a finished stage on the error stream."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One build; memory in MiB, times in seconds.

    Attributes:
        images: In the built set.
        masked: Training images, each masked.
        seconds: From the start of the process to its end.
        stages: Of these, by stage.
        peak: Most memory of all processes at once.
        main: Most memory of the main process.
    """

    images: int
    masked: int
    seconds: float
    stages: dict[str, float]
    peak: float
    main: float


def measure(source: Path, out: Path, workers: int) -> Measured:
    """Build a dataset, and watch the processes that do it."""
    arguments = ["build", "--src", str(source), "--out", str(out), "--workers", str(workers)]
    with tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=err)
        peak, main = watch(process)
        seconds = time.perf_counter() - start
        err.seek(0)
        told = err.read()
    if process.returncode != 0:
        raise SystemExit(told)
    return Measured(
        images=len(read_manifest(out / "manifest.csv")),
        masked=len((out / "masks.csv").read_text().splitlines()) - 1,
        seconds=seconds,
        stages={stage["name"].strip(): float(stage["seconds"]) for stage in STAGE.finditer(told)},
        peak=peak,
        main=main,
    )


def watch(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Wait for a process; return the most memory of its tree and of itself, in MiB."""
    peak = main = 0.0
    root = psutil.Process(process.pid)
    while process.poll() is None:
        own = held(root)
        peak = max(peak, own + sum(map(held, root.children(recursive=True))))
        main = max(main, own)
        time.sleep(PERIOD)
    return peak, main


def held(process: psutil.Process) -> float:
    """Return the memory that a process holds, in MiB; none if it has just gone."""
    try:
        return float(process.memory_full_info().pss) / 2**20
    except psutil.Error:
        return 0.0


@click.command()
@click.option("--identities", default=600, show_default=True, help="People of the smallest set.")
@click.option("--workers", type=click.IntRange(min=1), help="Default: one per processor.")
@click.option("--to", type=click.Path(path_type=Path), help="Where to write all that as JSON.")
def main(identities: int, workers: int | None, to: Path | None) -> None:
    """Draw, build and print, size after size."""
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
    """Print what one more image costs, and what there is without any."""
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
