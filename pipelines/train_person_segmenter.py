"""Train the bundled person segmenter, from data to shipped weights.

    python -m pipelines.train_person_segmenter --masks DIR --market DIR --out DIR

Three rounds. The first learns from masked crops and composites of them. It then labels natural
crops: those labels, and the same crops with their people removed as backgrounds, are what the
second round adds. The third settles the second at a low rate with a larger share of reference
masks. All judge themselves on a tenth of the identities, never trained on. A run that was cut off
continues where it stood when it is started again.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import yaml

from visnet_aug.datasets.drawn import draw_sample
from visnet_aug.masks.weights import import_ultralytics

import_ultralytics()

from pipelines.segmenter import labelling  # noqa: E402 (Ultralytics goes first, tamed)
from pipelines.segmenter.composites import Sources  # noqa: E402
from pipelines.segmenter.export import export  # noqa: E402
from pipelines.segmenter.judging import judge  # noqa: E402
from pipelines.segmenter.sources import (  # noqa: E402
    U8,
    MaskedCrops,
    read_masked_crops,
    read_natural,
    split_by_identity,
)
from pipelines.segmenter.training import TrainingSettings, train  # noqa: E402

ARCHITECTURE = Path(__file__).parent / "segmenter" / "person.yaml"
DRAWN_PEOPLE = 1500
CAMERAS = 6
LAST_RATE = 6e-4
log = logging.getLogger("train_person_segmenter")

folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(context_settings={"show_default": True})
@click.option("--masks", required=True, type=folder, help="person-masks.zip, unpacked.")
@click.option("--market", required=True, type=folder, help="A set in the Market-1501 layout.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--architecture", default=ARCHITECTURE, type=click.Path(exists=True, path_type=Path))
@click.option("--first-steps", default=2000, help="Steps of the first round.")
@click.option("--steps", default=5500, help="Steps of the second round.")
@click.option("--last-steps", default=1200, help="Steps of the last round.")
@click.option("--seed", default=0)
def main(
    masks: Path,
    market: Path,
    out: Path,
    architecture: Path,
    first_steps: int,
    steps: int,
    last_steps: int,
    seed: int,
) -> None:
    """Train the bundled person segmenter; writes OUT/person.safetensors and its YAML."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    description: dict[str, Any] = yaml.safe_load(architecture.read_text())
    size = tuple(description["input"])
    crops, held_out = split_by_identity(read_masked_crops(masks))
    distractors, _ = read_natural(market / "bounding_box_test", "0000_")
    first = Sources(
        crops,
        backgrounds=np.concatenate([distractors, without_people(crops)]),
        natural=None,
        drawn=draw_people(seed),
        crop_share=0.5,
    )
    teacher = train(
        description, first, held_out, TrainingSettings(first_steps, seed=seed), out / "round1"
    )
    natural, names = read_natural(market / "bounding_box_train", r"\d{4}_")
    labels = labelling.label(teacher, size, natural, names)
    bare = distractors[~has_person(teacher, size, distractors)]
    log.info(
        "labelled %d of %d natural crops; %d backgrounds from them, %d of %d distractors",
        *(len(labels.people), len(natural), len(labels.backgrounds), len(bare), len(distractors)),
    )
    second = Sources(
        crops,
        backgrounds=np.concatenate([bare, labels.backgrounds, first.backgrounds[-len(crops) :]]),
        natural=labels.people,
        drawn=first.drawn,
    )
    train(description, second, held_out, TrainingSettings(steps, seed=seed + 1), out / "round2")
    network = train(
        description,
        replace(second, natural_share=0.2, crop_share=0.35),
        held_out,
        TrainingSettings(last_steps, learning_rate=LAST_RATE, seed=seed + 2),
        out / "round3",
        start=out / "round2" / "last.pt",
    )
    sha256 = export(network, description, out / "person.safetensors")
    log.info("%s", judge(network, size, held_out).as_dict())
    log.info("%s: sha256 %s", out / "person.safetensors", sha256)


def without_people(crops: MaskedCrops) -> U8:
    """Return the crops' own backgrounds, filled in where the person was."""
    pairs = zip(crops.images, crops.masks > 0, strict=True)
    return np.stack([labelling.without_person(image, mask) for image, mask in pairs])


def has_person(network: Any, size: tuple[int, ...], images: U8) -> np.ndarray[Any, Any]:
    """Tell which distractors show a whole person after all."""
    from visnet_aug.masks.segmenter import Segmenter
    from visnet_aug.masks.settings import MaskSettings

    segmenter = Segmenter.for_network(network, (size[0], size[1]), MaskSettings())
    return np.array([mask.accepted for mask in segmenter.segment(list(images))])


def draw_people(seed: int) -> MaskedCrops:
    """Draw pedestrians, so that drawn demos work too; their exact masks grown by a pixel.

    The reference masks reach about that far outside of the person (see ``composites.py``).
    """
    rng = np.random.default_rng(seed)
    pids = range(1, DRAWN_PEOPLE + 1)
    samples = [draw_sample(pid, int(rng.integers(1, CAMERAS + 1)), rng) for pid in pids]
    kernel = np.ones((3, 3), np.uint8)
    masks = [cv2.dilate(np.where(s.mask, 255, 0).astype(np.uint8), kernel) for s in samples]
    images = np.stack([sample.image for sample in samples])
    return MaskedCrops(images, np.stack(masks), tuple(f"drawn{pid}" for pid in pids))


if __name__ == "__main__":
    main()
