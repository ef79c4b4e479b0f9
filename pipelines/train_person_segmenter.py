"""Train the bundled person segmenter, from data to shipped weights.

    python -m pipelines.train_person_segmenter --photos DIR --masks DIR --market DIR --out DIR

A large teacher learns from photos with exact masks, from crops with loose ones, from drawn
people, and from composites of them all. It labels natural crops, from which the small network that
ships learns, besides everything else. At the end, a small regression learns to predict how good
a mask is. A tenth of the photos and of the identities is never trained on. A run that was cut off
goes on where it stood when it is started again. With a GPU: ``--device cuda --workers 15``.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import cv2
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

ARCHITECTURES = Path(__file__).parent / "segmenter"
DRAWN_PEOPLE = 600
CAMERAS = 6
JUDGED_MARGIN = 0.05
NATURAL_STEP = 2
"""Of the natural crops every so many are labelled: neighbours in a sequence look alike."""

RATED_SAMPLES = 6000
"""Masks from which the quality model learns."""

UNJUDGED = MaskSettings(quality=0.0, max_rival=1.0)
"""The model of quality learns from masks that it would reject, too."""

log = logging.getLogger("train_person_segmenter")

folder = click.Path(exists=True, file_okay=False, path_type=Path)
file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(context_settings={"show_default": True})
@click.option("--photos", required=True, type=folder, help="street-photos.zip, unpacked.")
@click.option("--masks", required=True, type=folder, help="person-masks.zip, unpacked.")
@click.option("--market", required=True, type=folder, help="A set in the Market-1501 layout.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--start", type=file, help="Weights (.safetensors) to begin from, where they fit.")
@click.option("--architecture", default=ARCHITECTURES / "person.yaml", type=file)
@click.option("--teacher", default=ARCHITECTURES / "teacher.yaml", type=file, help="Its YAML.")
@click.option("--teacher-steps", default=1500)
@click.option("--steps", default=3000)
@click.option("--batch", default=48, help="Samples a step.")
@click.option("--learning-rate", default=1.5e-3, help="AdamW's, at its peak.")
@click.option("--device", default="cpu", help="Device of the training: cpu, cuda.")
@click.option("--threads", default=1, help="Threads of the training on a CPU.")
@click.option("--workers", default=1, help="Processes that compose samples.")
@click.option("--seed", default=0)
def main(
    photos: Path,
    masks: Path,
    market: Path,
    out: Path,
    start: Path | None,
    architecture: Path,
    teacher: Path,
    teacher_steps: int,
    steps: int,
    batch: int,
    learning_rate: float,
    device: str,
    threads: int,
    workers: int,
    seed: int,
) -> None:
    """Train the bundled person segmenter; writes OUT/person.safetensors and its YAML."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)  # OpenCV's threads do not survive the fork of the workers
    settings = TrainingSettings(steps, batch, learning_rate, 0.02, seed, workers, device)
    people, held_out = split_photos(read_masked(photos))
    crops, _ = split_by_identity(read_masked(masks))
    judged = cropped(held_out, JUDGED_MARGIN)
    distractors, _ = read_natural(market / "bounding_box_test", "0000_")
    small, small_size = _read_architecture(architecture)
    sources = first_sources(people, crops, distractors, small_size, seed)
    stored = out / "labels.npz"
    if not stored.exists():
        large, large_size = _read_architecture(teacher)
        network = train(
            large,
            replace(sources, size=large_size),
            judged,
            replace(settings, steps=teacher_steps),
            out / "teacher",
        )
        natural, _ = read_natural(market / "bounding_box_train", r"\d{4}_")
        segment = segment_with(network, large_size, device)
        label(segment, natural[::NATURAL_STEP]).save(stored)
    second = second_sources(sources, Labels.load(stored))
    network = train(small, second, judged, settings, out, start=start)
    segmenter = Segmenter.for_network(network, small_size, UNJUDGED)
    quality = fit(rate_samples(segmenter, second, RATED_SAMPLES, seed + 1), seed)
    sha256 = export(network, small, out / "person.safetensors", quality)
    log.info("%s", judge(network, small_size, judged).as_dict())
    log.info("%s: sha256 %s", out / "person.safetensors", sha256)


def _read_architecture(path: Path) -> tuple[dict[str, Any], tuple[int, int]]:
    """Read an Ultralytics model YAML and the size of its input."""
    description: dict[str, Any] = yaml.safe_load(path.read_text())
    height, width = description["input"]
    return description, (height, width)


def first_sources(
    people: MaskedImages,
    crops: MaskedImages,
    distractors: tuple[np.ndarray, ...],
    size: tuple[int, int],
    seed: int,
) -> Sources:
    """Return what the first part learns from."""
    small = reduced(people)
    with ThreadPoolExecutor() as pool:  # OpenCV leaves the interpreter to others while it works
        streets = list(pool.map(without_person, small.images, map(_any, small.masks)))
        bare = list(pool.map(without_person, crops.images, crops.masks))
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
