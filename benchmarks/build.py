"""Measure the speed of a build against an upper bound and against other tools.

    python -m benchmarks.build [--src Market-1501] [--rounds 3] [--json FILE]

Each round measures the following on the same images:

- the default build, as a separate process, with and without stored masks;
- ``verify`` and ``inspect`` on its output;
- the limit: the same number of processes that only read, decode, encode and write JPEG files;
- the naive script (``naive.py``) on a sample;
- Albumentations' transforms and ours for the same effects, on one thread.

The script prints medians. On shared machines, only the ratios within one run are comparable. All
output goes to new folders that are deleted at the end, because a disk can be ten times slower
right after a large delete.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from PIL import Image

from benchmarks.command import Finished, run
from benchmarks.transforms import transform_rates
from visnet_aug.builder.local import CHUNK
from visnet_aug.datasets.drawn.dataset import draw_dataset
from visnet_aug.manifest import ManifestRow, read_manifest
from visnet_aug.processes import default_workers

FULL_SIZE = 42_872
"""Images of an augmented Market-1501; the targets in seconds refer to this number."""

TRANSFORMED = 64
"""Number of images for the comparison of transforms."""

LOOKS: dict[str, tuple[str, ...]] = {"verify": (), "verify --quick": ("--quick",), "inspect": ()}
"""Commands that check a finished build, with their options."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Images per second in one round; for `naive`, training images per second."""

    limit: float
    naive: float


class Place:
    """Fresh folders on one disk."""

    def __init__(self, root: Path) -> None:
        self._root, self._numbers = root, count()

    def fresh(self) -> Path:
        """Flush earlier writes to disk and return a new path."""
        os.sync()
        return self._root / f"{next(self._numbers):03d}"


@click.command()
@click.option("--src", type=click.Path(exists=True, path_type=Path), help="Default: drawn.")
@click.option("--identities", default=100, show_default=True, help="Of the drawn training set.")
@click.option("--images", help="Total number of images in the built set, as in visnet-aug build.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--sample", default=40, show_default=True, help="Images for the naive script.")
@click.option("--place", type=click.Path(exists=True, path_type=Path), help="Disk to write to.")
@click.option("--json", "report", type=click.Path(path_type=Path), help="Write numbers there.")
def main(
    src: Path | None,
    identities: int,
    images: str | None,
    rounds: int,
    sample: int,
    place: Path | None,
    report: Path | None,
) -> None:
    """Measure in rounds; print medians, ratios and targets."""
    with tempfile.TemporaryDirectory(prefix="visnet-speed-", dir=place) as folder:
        if src is None:
            src = Path(folder) / "drawn"
            draw_dataset(src, identities=identities)
        results = measure(src, images, rounds, sample, Place(Path(folder)))
    print_results(results)
    if report is not None:
        report.write_text(json.dumps(results, indent=2, default=str) + "\n", encoding="utf-8")


def measure(
    src: Path, images: str | None, rounds: int, sample: int, place: Place
) -> dict[str, Any]:
    """Run everything that is compared in turn, for several rounds."""
    builds: dict[str, list[Finished]] = {"no masks": [], "masks": []}
    looks: dict[str, list[Finished]] = {name: [] for name in LOOKS}
    rates: list[Rates] = []
    rows: list[ManifestRow] = []
    transforms: list[dict[str, tuple[float, float]]] = []
    for number in range(1, rounds + 1):
        out = place.fresh()
        first = run_build(src, images, out)
        second = run_build(src, images, place.fresh(), masks_of=out)
        builds["no masks"].append(first)
        builds["masks"].append(second)
        for name, options in LOOKS.items():
            looks[name].append(run(name.split()[0], out, *options))
        rows = rows or read_manifest(out / "manifest.csv")
        copied = [src / row.source for row in rows if row.kind == "augmented"]
        train = sorted({src / row.source for row in rows if row.split == "train"})
        naive = train[:: max(1, len(train) // sample)][:sample]
        rates.append(Rates(limit_rate(copied, place.fresh()), naive_rate(naive, place.fresh())))
        transforms.append(transform_rates(train[:TRANSFORMED]))
        print(
            f"round {number}: {first.seconds:.1f} s, {second.seconds:.1f} s with masks",
            file=sys.stderr,
            flush=True,
        )
    return summarise(rows, builds, looks, rates, transforms)


def summarise(
    rows: Sequence[ManifestRow],
    builds: Mapping[str, Sequence[Finished]],
    looks: Mapping[str, Sequence[Finished]],
    rates: Sequence[Rates],
    transforms: Sequence[Mapping[str, tuple[float, float]]],
) -> dict[str, Any]:
    """Compute medians; a ratio is the median of the ratios of all rounds."""
    copies = sum(row.kind == "augmented" for row in rows)
    masked = len({row.source for row in rows if row.split == "train"})
    first, second = builds["no masks"], builds["masks"]
    masking = [masked / build.stages["mask"] for build in first]
    rendering = [copies / build.stages["render"] for build in second]
    return {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "processes": default_workers(),
            "python": platform.python_version(),
        },
        "images": {"all": len(rows), "copies": copies, "train_sources": masked},
        "seconds": {
            name: median(b.seconds for b in each) for name, each in {**builds, **looks}.items()
        },
        "stages": {
            name: {stage: median(b.stages[stage] for b in each) for stage in each[0].stages}
            for name, each in builds.items()
        },
        "peak_bytes": {name: max(b.peak for b in each) for name, each in builds.items()},
        "rates": {
            "masks": median(masking),
            "render": median(rendering),
            "limit": median(rate.limit for rate in rates),
            "naive": median(rate.naive for rate in rates),
        },
        "ratios": {
            "render_to_limit": median(
                r / rate.limit for r, rate in zip(rendering, rates, strict=True)
            ),
            "mask_and_render_to_naive": median(
                1 / (1 / m + 1 / r) / rate.naive
                for m, r, rate in zip(masking, rendering, rates, strict=True)
            ),
            "build_to_naive": median(
                masked / b.seconds / rate.naive for b, rate in zip(first, rates, strict=True)
            ),
            "transforms_to_albumentations": median(in_turn(each) for each in transforms),
        },
        "transforms": {
            name: [median(each[name][side] for each in transforms) for side in (0, 1)]
            for name in transforms[0]
        },
        "rounds": {
            "commands": {
                name: [asdict(b) for b in each] for name, each in {**builds, **looks}.items()
            },
            "rates": [asdict(rate) for rate in rates],
        },
    }


def in_turn(rates: Mapping[str, tuple[float, float]]) -> float:
    """Return the speed-up of our transforms over Albumentations' with all effects per image."""
    theirs, ours = (sum(1 / pair[side] for pair in rates.values()) for side in (0, 1))
    return theirs / ours


def median(values: Iterator[float] | Sequence[float]) -> float:
    """Return the median of any iterable."""
    return statistics.median(values)


# Our build


def run_build(src: Path, images: str | None, out: Path, masks_of: Path | None = None) -> Finished:
    """Build into a new folder, with the stored masks of another build if given."""
    if masks_of is not None:
        out.mkdir()
        shutil.copytree(masks_of / "masks", out / "masks")
        shutil.copy2(masks_of / "masks.csv", out)
        os.sync()
    return run("build", "--src", src, "--out", out, *(("--images", images) if images else ()))


# The limit


def limit_rate(sources: Sequence[Path], out: Path) -> float:
    """Return the images per second of file and JPEG work alone, without process start-up."""
    out.mkdir()
    quality = quality_of(sources[0])
    workers = default_workers()
    jobs = [(path, out / f"{number}.jpg") for number, path in enumerate(sources)]
    chunks = [jobs[first : first + CHUNK] for first in range(0, len(jobs), CHUNK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, cv2.setNumThreads, (1,)) as pool:
        # One slow call per process makes sure that all have started before the timer does.
        list(pool.map(time.sleep, [2.0] * workers))
        seconds = timed(lambda: list(pool.map(recode, chunks, [quality] * len(chunks))))
    return len(sources) / seconds


def recode(jobs: Sequence[tuple[Path, Path]], quality: int) -> None:
    """Read, decode, encode and write with OpenCV, which has the fastest suitable codecs."""
    for source, target in jobs:
        image = cv2.imdecode(np.frombuffer(source.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        target.write_bytes(data.tobytes())


def quality_of(path: Path) -> int:
    """Return the quality at which OpenCV uses the same quantisation tables as a JPEG file."""
    with Image.open(path) as image:
        wanted = quantisation(image)
    blank = np.zeros((16, 16, 3), np.uint8)
    for quality in range(1, 101):
        _, data = cv2.imencode(".jpg", blank, [cv2.IMWRITE_JPEG_QUALITY, quality])
        with Image.open(io.BytesIO(data.tobytes())) as image:
            if quantisation(image) == wanted:
                return quality
    raise SystemExit(f"{path}: OpenCV cannot write its quantisation tables; choose another --src")


def quantisation(image: Image.Image) -> list[list[int]]:
    """Return a JPEG's quantisation tables."""
    return [list(table) for table in image.quantization.values()]  # type: ignore[attr-defined]


# Others


def naive_rate(images: Sequence[Path], out: Path) -> float:
    """Return the images per second of the naive script in its own process, without start-up."""
    command = [sys.executable, "-m", "benchmarks.naive", "--out", str(out), *map(str, images)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    said = json.loads(result.stdout.splitlines()[-1])
    return float(said["images"] / said["seconds"])


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that ``call`` takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# What is shown


def print_results(results: Mapping[str, Any]) -> None:
    """Print the tables of rates and targets, stages, and transforms."""
    images, rates, ratios = results["images"], results["rates"], results["ratios"]
    scale = FULL_SIZE / images["all"]
    full = {name: seconds * scale for name, seconds in results["seconds"].items()}
    peak = max(results["peak_bytes"].values()) / 2**30
    print(f"{images['all']:,} images built, {images['copies']:,} of them copies; medians")
    print(f"scaled to {FULL_SIZE:,} images: × {scale:.2f}\n")
    print(f"{'':44}{'here':>10}{'scaled':>10}{'target':>10}")
    for name, label, seconds in (
        ("no masks", "build, s", 45),
        ("masks", "build, s, masks stored", 10),
        ("verify", "verify, s", 30),
        ("verify --quick", "verify --quick, s", ""),
        ("inspect", "inspect, s", 20),
    ):
        print(f"{label:44}{results['seconds'][name]:10.1f}{full[name]:10.1f}{seconds:>10}")
    for label, value, target in (
        ("masks, file to mask, images/s", f"{rates['masks']:,.0f}", "800"),
        ("rendering, copies/s", f"{rates['render']:,.0f}", ""),
        ("limit: decode, encode, write, images/s", f"{rates['limit']:,.0f}", ""),
        ("rendering to limit", f"{ratios['render_to_limit']:.2f}", "0.60"),
        ("naive script, training images/s", f"{rates['naive']:.1f}", ""),
        ("mask and render to naive", f"{ratios['mask_and_render_to_naive']:.1f}", "40"),
        ("whole build to naive, per training image", f"{ratios['build_to_naive']:.1f}", "40"),
        ("peak memory, all processes, GiB", f"{peak:.2f}", "2"),
    ):
        print(f"{label:44}{value:>10}{'':10}{target:>10}")
    print(f"\n{'until the end of stage, s':44}{'no masks':>10}{'masks':>10}")
    without, with_masks = results["stages"]["no masks"], results["stages"]["masks"]
    for stage in without:
        print(f"{stage:44}{without[stage]:10.2f}{with_masks[stage]:10.2f}")
    print(f"\n{'one thread, images/s':44}{'Albument.':>10}{'ours':>10}{'ratio':>10}")
    for name, (theirs, ours) in results["transforms"].items():
        print(f"{name:44}{theirs:10,.0f}{ours:10,.0f}{ours / theirs:10.1f}")
    print(f"{'all of them in turn':64}{ratios['transforms_to_albumentations']:10.1f}")


if __name__ == "__main__":
    main()
