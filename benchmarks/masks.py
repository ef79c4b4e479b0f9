"""How good and how fast the bundled segmenter is, on this machine.

    python -m benchmarks.masks --masks person-masks [--src Market-1501]

Quality: found rate and IoU on the tenth of the identities of person-masks that training never
saw. Speed: decoded crop to judged mask on one thread, images a second, as a ratio to the network's
bare forward pass at the same batch in the same run, the limit that nothing around it can pass. With
a dataset, the mask stage of a build of it, too: from files to stored masks in as many processes as
there are processors, with the time that loading takes and without.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import torch

from pipelines.segmenter.sources import read_masked_crops, split_by_identity
from visnet_aug.builder.build import Observer, make_masks
from visnet_aug.masks.segmenter import BATCH, Segmenter
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.weights import describe_weights
from visnet_aug.processes import default_workers
from visnet_aug.progress import Advance
from visnet_aug.recipe import Recipe

ROUNDS = 9


@click.command()
@click.option("--masks", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--src", type=click.Path(exists=True, path_type=Path), help="A dataset to mask.")
@click.option("--weights", default="builtin", show_default=True)
def main(masks: Path, src: Path | None, weights: str) -> None:
    """Print quality on held-out identities and speed on this machine."""
    _, held_out = split_by_identity(read_masked_crops(masks))
    segmenter = Segmenter(weights, "cpu", MaskSettings(), threads=1)
    info = describe_weights(weights)
    print(f"machine   {platform.machine()}, {default_workers()} processors")
    print(f"torch     {torch.__version__}, {segmenter.dtype}")
    print(f"weights   {info.path.name}, sha256 {info.sha256}")
    print(f"held out  {len(held_out)} crops")
    print_quality(segmenter, held_out.images, held_out.masks > 127, held_out.names)
    print_speed(segmenter, list(held_out.images))
    if src is not None:
        print_stage(src, weights)


def print_quality(
    segmenter: Segmenter, images: np.ndarray, truths: np.ndarray, names: tuple[str, ...]
) -> None:
    """Print found rate and IoU, in all and by what was done to the background."""
    found = segmenter.segment(list(images))
    overlaps = np.array(
        [
            (f.mask & t).sum() / (f.mask | t).sum() if f.accepted and f.mask is not None else 0.0
            for f, t in zip(found, truths, strict=True)
        ]
    )
    for family in ("", "blur", "color_shift", "noise"):
        chosen = np.array([name.endswith(family) for name in names])
        hits = overlaps[chosen] > 0
        print(
            f"  {family or 'all':12s} found {hits.mean():.4f}  mean IoU of the found "
            f"{overlaps[chosen][hits].mean():.4f}  least {overlaps[chosen][hits].min():.3f}"
        )


def print_speed(segmenter: Segmenter, images: list[np.ndarray]) -> None:
    """Print images a second of the whole way and of the bare forward pass, interleaved."""
    batch = (images * (BATCH // len(images) + 1))[:BATCH] * 4
    whole: list[float] = []
    bare: list[float] = []
    for _ in range(ROUNDS):
        whole.append(len(batch) / seconds(lambda: segmenter.segment(batch)))
        bare.append(len(batch) / seconds(lambda: bare_forward(segmenter, len(batch) // BATCH)))
    ratio = statistics.median(w / b for w, b in zip(whole, bare, strict=True))
    print(f"a thread  {statistics.median(whole):.0f} images/s from crop to mask")
    print(f"          {statistics.median(bare):.0f} images/s forward alone; ratio {ratio:.2f}")


class Clock(Observer):
    """Notes when the mask stage begins, and whenever masks are done."""

    def __init__(self) -> None:
        self.begun = 0.0
        self.done: list[tuple[float, int]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """Listen to the mask stage."""
        self.begun = time.perf_counter()

        def advance(done: int, total: int) -> None:
            if name == "mask" and done:
                self.done.append((time.perf_counter(), done))

        yield advance


def print_stage(src: Path, weights: str) -> None:
    """Print images a second of the mask stage of a build."""
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="visnet-masks-") as out:
        recipe = Recipe().replace(weights=weights)
        make_masks(src, Path(out), recipe=recipe, device="cpu", observer=clock)
    (first, some), (last, all_) = clock.done[0], clock.done[-1]
    print(f"a build   {all_ / (last - clock.begun):.0f} images/s from file to mask")
    if some < all_:
        print(f"          {(all_ - some) / (last - first):.0f} images/s after the first batch")


def bare_forward(segmenter: Segmenter, batches: int) -> None:
    """Run the network alone on random pixels."""
    height, width = segmenter.input_size
    pixels = torch.rand(BATCH, 3, height, width).to(segmenter.dtype)
    with torch.inference_mode():
        for _ in range(batches):
            segmenter.network(pixels.contiguous(memory_format=torch.channels_last))


def seconds(call: Callable[[], object]) -> float:
    """Return how long ``call`` takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
