"""Profile rendering: the CPU time of each step of making a copy, in one process.

    python -m benchmarks.copies AUG [--place FOLDER]

AUG is a finished build that includes its originals. The script renders every copy again, as a
worker does, and times each step. It then measures the limit of any build on the same sources:
reading, decoding, encoding and writing alone. Times are CPU times (user and system), which depend
less on other processes than wall-clock times do.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import click
import cv2

from benchmarks.build import quality_of, recode
from visnet_aug.backgrounds.loading import load_albumentations

load_albumentations(torch=False)  # before what imports it, too: processes start faster

from visnet_aug.backgrounds.composite import composite  # noqa: E402
from visnet_aug.backgrounds.registry import make_family  # noqa: E402
from visnet_aug.backgrounds.rewrite import draw_params  # noqa: E402
from visnet_aug.builder.folder import MANIFEST, RECIPE  # noqa: E402
from visnet_aug.builder.render import encode  # noqa: E402
from visnet_aug.builder.worker import pass_through  # noqa: E402
from visnet_aug.datasets.images import decode_known  # noqa: E402
from visnet_aug.files import sha256_of, write_file  # noqa: E402
from visnet_aug.manifest import ManifestRow, read_manifest  # noqa: E402
from visnet_aug.masks.store import read_mask  # noqa: E402
from visnet_aug.recipe import Recipe, load_recipe  # noqa: E402

WARM = 50
"""Warm-up copies, which are not timed."""


class Clock:
    """Accumulates CPU time per step.

    Attributes:
        seconds: CPU time of each step.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._mark = time.process_time()

    def start(self) -> None:
        """Start timing."""
        self._mark = time.process_time()

    def lap(self, *parts: str) -> None:
        """Add the time since the start or the previous lap to the given steps."""
        now = time.process_time()
        for part in parts:
            self.seconds[part] += now - self._mark
        self._mark = now


@click.command()
@click.argument("aug", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--place", type=click.Path(exists=True, path_type=Path), help="Disk to write to.")
def main(aug: Path, place: Path | None) -> None:
    """Print microseconds per copy by step and by variant."""
    cv2.setNumThreads(1)
    recipe = load_recipe(aug / RECIPE)
    rows = read_manifest(aug / MANIFEST)
    copies = [row for row in rows if row.kind == "augmented"]
    kept = [row for row in rows if row.kind == "original"][: len(copies)]
    with tempfile.TemporaryDirectory(prefix="visnet-copies-", dir=place) as folder:
        out = Path(folder)
        make(aug, copies[:WARM], recipe, out)
        parts, variants = make(aug, copies, recipe, out)
        limit = limit_seconds(aug, copies, out)
        keeping = keep(aug, kept, out)
    print_costs("a copy", parts, len(copies))
    print(f"{'limit: read, decode, encode, write':44}{1e6 * limit / len(copies):10.1f}")
    print(f"{'limit to all':44}{limit / sum(parts.values()):10.2f}\n")
    print_costs("a file passed through", keeping, len(kept))
    print("\nin the background alone, us a copy")
    counts: dict[str, int] = defaultdict(int)
    for row in copies:
        counts[variant_of(row)] += 1
    for name, seconds in sorted(variants.items()):
        print(f"{name:44}{1e6 * seconds / counts[name]:10.1f}")


def make(
    aug: Path, copies: list[ManifestRow], recipe: Recipe, out: Path
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Render copies again; return the seconds by step, and of the background by variant."""
    clock, variants = Clock(), Clock()
    families = {name: make_family(name, recipe.backgrounds) for name in recipe.backgrounds.names()}
    for number, row in enumerate(copies):
        assert row.family is not None
        assert row.variant is not None
        family, target = families[row.family], out / f"{number}.jpg"
        clock.start()
        source = (aug / row.source).read_bytes()
        sha256_of(source)
        clock.lap("read and check the source")
        mask = read_mask(aug / str(row.mask), (row.height, row.width))
        clock.lap("read the mask")
        image = decode_known(source)
        clock.lap("decode")
        seed, intensity = int(row.seed or 0), float(row.intensity or 0)
        params = draw_params(family, row.variant, intensity, seed, image.shape[:2])
        clock.lap("draw parameters")
        variants.start()
        background = family.apply_record(image, params, mask)
        variants.lap(variant_of(row))
        clock.lap("rewrite the background")
        rewritten = composite(image, background, mask, recipe.backgrounds.feather)
        clock.lap("put the person back")
        data = encode(rewritten, recipe.encoding, source)
        sha256_of(data)
        clock.lap("encode")
        write_file(target, data)
        clock.lap("write")
        if sha256_of(data) != row.sha256:
            raise SystemExit(f"{row.path}: made by other versions; build the set again")
    return clock.seconds, variants.seconds


def limit_seconds(aug: Path, copies: list[ManifestRow], out: Path) -> float:
    """Return the seconds for reading, decoding, encoding and writing the same number of images."""
    quality = quality_of(aug / copies[0].source)
    jobs = [(aug / row.source, out / f"limit-{n}.jpg") for n, row in enumerate(copies)]
    clock = Clock()
    recode(jobs, quality)
    clock.lap("limit")
    return clock.seconds["limit"]


def keep(aug: Path, rows: list[ManifestRow], out: Path) -> Mapping[str, float]:
    """Copy files without a change; return the seconds by step."""
    clock = Clock()
    for number, row in enumerate(rows):
        source = aug / row.path
        clock.start()
        data = source.read_bytes()
        sha256_of(data)
        clock.lap("read and check the source")
        pass_through(source, data, out / f"kept-{number}.jpg", "clone")
        clock.lap("write")
    return clock.seconds


def variant_of(row: ManifestRow) -> str:
    """Return a copy's family and variant; combined colour variants count as one."""
    variant = str(row.variant)
    return f"{row.family} {'joined' if '+' in variant else variant}"


def print_costs(what: str, parts: Mapping[str, float], images: int) -> None:
    """Print microseconds per image by step, and their sum."""
    print(f"{f'us {what}':44}{images:>10,}")
    for name, seconds in {**parts, "all": sum(parts.values())}.items():
        print(f"{name:44}{1e6 * seconds / images:10.1f}")


if __name__ == "__main__":
    main()
