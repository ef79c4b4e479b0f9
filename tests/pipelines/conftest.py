"""Drawn people as the material of a small training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from visnet_aug.datasets.drawn import draw_sample
from visnet_aug.masks.weights import import_ultralytics

import_ultralytics()

from pipelines.segmenter import training  # noqa: E402 (Ultralytics goes first, tamed)
from pipelines.segmenter.composites import Sources  # noqa: E402
from pipelines.segmenter.pictures import picture  # noqa: E402
from pipelines.segmenter.sources import (  # noqa: E402
    MaskedImages,
    exact_cutouts,
    exact_scenes,
    loose_scenes,
)


@pytest.fixture(scope="session")
def people() -> MaskedImages:
    """Twelve drawn crops with exact masks."""
    rng = np.random.default_rng(0)
    samples = [draw_sample(pid, 1 + pid % 6, rng) for pid in range(1, 13)]
    return MaskedImages(
        tuple(s.image for s in samples),
        tuple(np.where(s.mask, 255, 0).astype(np.uint8) for s in samples),
        tuple(f"{pid:04d}_c1" for pid in range(1, 13)),
    )


@pytest.fixture(scope="session")
def sources(people: MaskedImages) -> Sources:
    """Everything that samples are made of, at half of a crop's size."""
    return Sources(
        scenes=(
            (0.2, exact_scenes(people, are_crops=False)),
            (0.2, loose_scenes(people)),
        ),
        cutouts=((1.0, exact_cutouts(people)),),
        backgrounds=((1.0, tuple(picture(image) for image in people.images[:4])),),
        size=(64, 32),
    )


@pytest.fixture
def tiny() -> dict[str, Any]:
    """The architecture with a quarter of its width."""
    description = yaml.safe_load(Path(training.__file__).with_name("person.yaml").read_text())
    return {**description, "scales": {"p": [0.33, 0.0625, 128]}, "input": [64, 32]}
