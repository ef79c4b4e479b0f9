"""Train the bundled person segmenter, from data to shipped weights.

    python -m pipelines.train_person_segmenter --photos DIR --masks DIR --market DIR --out DIR

One training in two parts. The first learns from photos with exact masks, from crops with loose
ones, from drawn people, and from composites of them all. Its network then labels natural crops,
which the second part learns from, too. At the end, a small regression learns to predict how good
a mask is. A tenth of the photos and of the identities is never trained on. A run that was cut off
goes on where it stood when it is started again.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import yaml

from visnet_aug.datasets.drawn import draw_sample
from visnet_aug.masks.weights import import_ultralytics

import_ultralytics()

from pipelines.segmenter.composites import Sources  # noqa: E402 (Ultralytics goes first, tamed)
from pipelines.segmenter.export import export  # noqa: E402
from pipelines.segmenter.judging import cropped, judge  # noqa: E402
from pipelines.segmenter.labelling import Labels, label, segment_with  # noqa: E402
from pipelines.segmenter.pictures import Picture, picture, without_person  # noqa: E402
from pipelines.segmenter.rating import fit, rate_samples  # noqa: E402
from pipelines.segmenter.sources import (  # noqa: E402
    MaskedImages,
    exact_cutouts,
    exact_scenes,
    labelled_scenes,
    loose_cutouts,
    loose_scenes,
    read_masked,
    read_natural,
    reduced,
    split_by_identity,
    split_photos,
)
from pipelines.segmenter.training import TrainingSettings, train  # noqa: E402
from visnet_aug.masks.segmenter import Segmenter  # noqa: E402
from visnet_aug.masks.settings import MaskSettings  # noqa: E402

ARCHITECTURE = Path(__file__).parent / "segmenter" / "person.yaml"
DRAWN_PEOPLE = 600
CAMERAS = 6
JUDGED_MARGIN = 0.05
NATURAL_STEP = 2
"""Of the natural crops every so many are labelled: neighbours in a sequence look alike."""

RATED_SAMPLES = 6000
"""Masks from which the quality model learns."""

log = logging.getLogger("train_person_segmenter")

folder = click.Path(exists=True, file_okay=False, path_type=Path)
file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(context_settings={"show_default": True})
@click.option("--photos", required=True, type=folder, help="street-photos.zip, unpacked.")
@click.option("--masks", required=True, type=folder, help="person-masks.zip, unpacked.")
@click.option("--market", required=True, type=folder, help="A set in the Market-1501 layout.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--start", type=file, help="Weights (.safetensors) to begin from, where they fit.")
@click.option("--architecture", default=ARCHITECTURE, type=file)
@click.option("--label-at", default=900, help="Step after which natural crops are labelled.")
@click.option("--steps", default=3000, help="Steps in all.")
@click.option("--learning-rate", default=1.5e-3, help="AdamW's, at its peak.")
@click.option("--threads", default=1, help="Threads of the training; samples take another.")
@click.option("--seed", default=0)
def main(
    photos: Path,
    masks: Path,
    market: Path,
    out: Path,
    start: Path | None,
    architecture: Path,
    label_at: int,
    steps: int,
    learning_rate: float,
    threads: int,
    seed: int,
) -> None:
    """Train the bundled person segmenter; writes OUT/person.safetensors and its YAML."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(threads)
    description: dict[str, Any] = yaml.safe_load(architecture.read_text())
    size = (description["input"][0], description["input"][1])
    settings = TrainingSettings(steps, learning_rate=learning_rate, seed=seed)
    people, held_out = split_photos(read_masked(photos))
    crops, _ = split_by_identity(read_masked(masks))
    judged = cropped(held_out, JUDGED_MARGIN)
    distractors, _ = read_natural(market / "bounding_box_test", "0000_")
    sources = first_sources(people, crops, distractors, size, seed)
    network = train(description, sources, judged, settings, out, start=start, until=label_at)
    stored = out / "labels.npz"
    if not stored.exists():
        natural, _ = read_natural(market / "bounding_box_train", r"\d{4}_")
        label(segment_with(network, size), natural[::NATURAL_STEP]).save(stored)
    second = second_sources(sources, Labels.load(stored))
    network = train(description, second, judged, settings, out)
    segmenter = Segmenter.for_network(network, size, MaskSettings(threshold=0.5))
    quality = fit(rate_samples(segmenter, second, RATED_SAMPLES, seed + 1), seed)
    sha256 = export(network, description, out / "person.safetensors", quality)
    log.info("%s", judge(network, size, judged).as_dict())
    log.info("%s: sha256 %s", out / "person.safetensors", sha256)


def first_sources(
    people: MaskedImages,
    crops: MaskedImages,
    distractors: tuple[np.ndarray, ...],
    size: tuple[int, int],
    seed: int,
) -> Sources:
    """Return what the first part learns from."""
    small = reduced(people)
    streets = [without_person(i, _any(m)) for i, m in zip(small.images, small.masks, strict=True)]
    bare = [without_person(i, m) for i, m in zip(crops.images, crops.masks, strict=True)]
    return Sources(
        scenes=(
            (0.25, exact_scenes(small, are_crops=False)),
            (0.12, loose_scenes(crops)),
            (0.03, exact_scenes(draw_people(seed), are_crops=True)),
        ),
        cutouts=((0.6, exact_cutouts(small)), (0.4, loose_cutouts(crops, seed))),
        backgrounds=((0.4, _all(streets)), (0.35, _all(bare)), (0.25, _all(distractors))),
        size=size,
    )


def second_sources(first: Sources, labels: Labels) -> Sources:
    """Add the natural crops that the network labelled, and their backgrounds."""
    photos, crops, drawn = first.scenes
    natural = labelled_scenes(labels.images, labels.labels)
    streets, bare, distractors = first.backgrounds
    return Sources(
        scenes=((0.22, photos[1]), (0.08, crops[1]), drawn, (0.22, natural)),
        cutouts=first.cutouts,
        backgrounds=(streets, (0.15, bare[1]), distractors, (0.3, _all(labels.backgrounds))),
        size=first.size,
    )


def draw_people(seed: int) -> MaskedImages:
    """Draw pedestrians, so that drawn demos work too."""
    rng = np.random.default_rng(seed)
    pids = range(1, DRAWN_PEOPLE + 1)
    samples = [draw_sample(pid, int(rng.integers(1, CAMERAS + 1)), rng) for pid in pids]
    return MaskedImages(
        tuple(sample.image for sample in samples),
        tuple(np.where(sample.mask, 255, 0).astype(np.uint8) for sample in samples),
        tuple(f"drawn{pid}" for pid in pids),
    )


def _any(opacity: np.ndarray) -> np.ndarray:
    """Turn an opacity into a mask of everything that shows any of the person."""
    return np.where(opacity > 10, 255, 0).astype(np.uint8)


def _all(images: list[np.ndarray] | tuple[np.ndarray, ...]) -> tuple[Picture, ...]:
    return tuple(picture(image) for image in images)


if __name__ == "__main__":
    main()
