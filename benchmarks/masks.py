r"""How good and how fast segmenters are, on this machine, side by side.

    python -m benchmarks.masks --photos street-photos --masks person-masks \\
        --weights old/person.safetensors --weights builtin

Quality: masks against exact ones, of people whom no training of ours saw. They are the tenth of
street-photos that is kept for judging, cut to crops of 64x128 (tight and loose, in colour, in
grey), at their own resolution, in any framing and light, and composites of them with other people,
on other backgrounds. The reference masks of person-masks, which are loose, are a check only.

The judge: how well the predicted quality tells bad masks from good ones, and what rejecting by it
leaves. Speed: decoded crop to judged mask on one thread, images a second, all weights in turn in
one run, with the network's bare forward pass beside it. With ``--src``, the mask stage of a build:
from files to stored masks in as many processes as there are processors.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import click
import numpy as np
import torch

from pipelines.segmenter.composites import Sources
from pipelines.segmenter.judging import compare, cropped, without_colour
from pipelines.segmenter.pictures import picture, without_person
from pipelines.segmenter.rating import auroc, rate, samples
from pipelines.segmenter.sources import (
    MaskedImages,
    exact_cutouts,
    exact_scenes,
    read_masked,
    split_by_identity,
    split_photos,
)
from visnet_aug.builder.build import Observer, make_masks
from visnet_aug.masks.segmenter import BATCH, Segmenter
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.weights import describe_weights
from visnet_aug.processes import default_workers
from visnet_aug.progress import Advance
from visnet_aug.recipe import Recipe

ROUNDS = 9
DRAWN = 1000
BAD = 0.7
"""An IoU below this makes a bad mask."""

folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--photos", required=True, type=folder, help="street-photos.zip, unpacked.")
@click.option("--masks", required=True, type=folder, help="person-masks.zip, unpacked.")
@click.option("--src", type=folder, help="A dataset to mask as a build does.")
@click.option("--weights", "names", multiple=True, default=["builtin"], show_default=True)
@click.option("--threshold", type=float, help="Instead of the default one.")
def main(
    photos: Path,
    masks: Path,
    src: Path | None,
    names: tuple[str, ...],
    threshold: float | None,
) -> None:
    """Print quality on people never trained on, and speed on this machine."""
    _, people = split_photos(read_masked(photos))
    _, crops = split_by_identity(read_masked(masks))
    sets = judged_sets(people, crops)
    settings = MaskSettings() if threshold is None else MaskSettings(threshold=threshold)
    segmenters = {name: Segmenter(name, "cpu", settings, threads=1) for name in names}
    print(f"machine   {platform.machine()}, {default_workers()} processors")
    print(f"torch     {torch.__version__}, threshold {settings.threshold}")
    for name, segmenter in segmenters.items():
        info = describe_weights(name)
        print(f"weights   {name}: {segmenter.dtype}, sha256 {info.sha256}")
    print_quality(segmenters, sets)
    for name in names:
        unjudged = settings.model_copy(update={"quality": 0.0, "max_rival": 1.0})
        segmenter = Segmenter(name, "cpu", unjudged, threads=1)
        if segmenter.quality is not None:
            print_judge(segmenter, sets)
    print_speed(segmenters, list(sets["street, tight"].images))
    if src is not None:
        for name in names:
            print_stage(src, name)


def judged_sets(people: MaskedImages, crops: MaskedImages) -> Mapping[str, MaskedImages]:
    """Return everything that masks are compared on, by name."""
    tight, loose = cropped(people, 0.03), cropped(people, 0.15)
    pairs = [*zip(people.images, people.masks, strict=True)]
    pairs += zip(crops.images, crops.masks, strict=True)
    bare = tuple(picture(without_person(image, mask)) for image, mask in pairs)
    clutter = Sources(
        scenes=((0.0, exact_scenes(people, are_crops=False)),),
        cutouts=((1.0, exact_cutouts(people)),),
        backgrounds=((1.0, bare),),
        size=(128, 64),
    )
    streets = replace(clutter, scenes=((1.0, exact_scenes(people, are_crops=False)),))
    return {
        "street, tight": tight,
        "street, loose": loose,
        "street, own resolution": cropped(people, 0.03, None),
        "street, own, loose": cropped(people, 0.15, None),
        "street, tight, grey": without_colour(tight),
        "street, loose, grey": without_colour(loose),
        "street, any framing and light": _draw(streets),
        "composites": _draw(clutter),
        "Market references (loose)": crops,
    }


def _draw(sources: Sources) -> MaskedImages:
    images, masks = zip(*islice(samples(sources, seed=0), DRAWN), strict=True)
    return MaskedImages(images, masks, tuple(map(str, range(DRAWN))))


def print_quality(segmenters: Mapping[str, Segmenter], sets: Mapping[str, MaskedImages]) -> None:
    """Print how the masks of each segmenter compare with the known ones, by set."""
    for name, people in sets.items():
        print(f"{name} ({len(people)})")
        for weights, segmenter in segmenters.items():
            verdict = compare(segmenter, people)
            print(
                f"  {weights[-32:]:32s} IoU {verdict.iou:.3f}  precision {verdict.precision:.3f}  "
                f"recall {verdict.recall:.3f}  below 0.5 {verdict.bad:.4f}  "
                f"rejected {verdict.rejected:.4f}"
            )


def print_judge(segmenter: Segmenter, sets: Mapping[str, MaskedImages]) -> None:
    """Print how well quality and confidence tell bad masks, and what is left when rejecting."""
    assert segmenter.quality is not None
    for name in ("street, tight", "street, loose", "street, any framing and light", "composites"):
        ratings = rate(segmenter, sets[name].images, sets[name].masks)
        quality, bad = segmenter.quality(ratings.features), ratings.iou < BAD
        confidence = ratings.features[:, 0]
        print(
            f"{name}: IoU below {BAD}: {bad.mean():.3f}; AUROC of quality {auroc(quality, bad):.3f}"
            f", of confidence {auroc(confidence, bad):.3f}; mean quality {quality.mean():.3f}, "
            f"mean IoU {ratings.iou.mean():.3f}"
        )
        for limit in (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8):
            kept = quality >= limit
            if kept.any():
                print(
                    f"  quality at least {limit:.2f}: rejected {1 - kept.mean():.3f}, of the "
                    f"others IoU {ratings.iou[kept].mean():.3f}, below {BAD} "
                    f"{bad[kept].mean():.4f}, below 0.5 {(ratings.iou[kept] < 0.5).mean():.4f}"
                )


def print_speed(segmenters: Mapping[str, Segmenter], images: list[np.ndarray]) -> None:
    """Print images a second of the whole way and of the bare forward pass, interleaved."""
    batch = (images * (BATCH // len(images) + 1))[:BATCH] * 2
    whole: dict[str, list[float]] = {name: [] for name in segmenters}
    bare: dict[str, list[float]] = {name: [] for name in segmenters}
    for _ in range(ROUNDS):
        for name, one in segmenters.items():
            whole[name].append(len(batch) / seconds(one.segment, batch))
            bare[name].append(len(batch) / seconds(bare_forward, one, len(batch) // BATCH))
    first = next(iter(segmenters))
    for name in segmenters:
        ratios = [
            statistics.median(a / b for a, b in zip(rates[name], rates[first], strict=True))
            for rates in (whole, bare)
        ]
        print(
            f"a thread  {name[-32:]:32s} {statistics.median(whole[name]):4.0f} images/s from crop "
            f"to mask ({ratios[0]:.2f} x the first), {statistics.median(bare[name]):4.0f} forward "
            f"alone ({ratios[1]:.2f} x)"
        )


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
    print(f"a build   {weights[-32:]:32s} {all_ / (last - clock.begun):.0f} images/s, file to mask")
    if some < all_:
        print(f"          {(all_ - some) / (last - first):.0f} images/s after the first batch")


def bare_forward(segmenter: Segmenter, batches: int) -> None:
    """Run the network alone on random pixels."""
    height, width = segmenter.input_size
    pixels = torch.rand(BATCH, 3, height, width).to(segmenter.dtype)
    with torch.inference_mode():
        for _ in range(batches):
            segmenter.network(pixels.contiguous(memory_format=torch.channels_last))


def seconds(call: Callable[..., object], *arguments: object) -> float:
    """Return how long ``call`` takes, in processor time: other work on the machine counts less."""
    start = time.process_time()
    call(*arguments)
    return time.process_time() - start


if __name__ == "__main__":
    main()
