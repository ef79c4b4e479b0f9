"""Train the regression that predicts how good a mask is.

It learns from samples like those of the training, whose people are known exactly: what
``visnet_aug.masks.quality`` measures on the network's candidates, and the true IoU of the mask
that the product makes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipelines.segmenter.composites import Sources, compose
from pipelines.segmenter.pictures import U8
from visnet_aug.masks.quality import FEATURES, QualityModel
from visnet_aug.masks.segmenter import BATCH, Segmenter

UNITS = 6
FIT_STEPS = 400
"""Few: with more, and with more units, the regression learns its samples by heart."""

LEARNING_RATE = 0.02
WEIGHT_DECAY = 0.1

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Ratings:
    """Features (N,F) of masks and their true IoU (N,)."""

    features: Rows
    iou: Rows


def rate(segmenter: Segmenter, images: Sequence[U8], masks: Sequence[U8]) -> Ratings:
    """Measure a segmenter's masks of images whose masks (0-255) are known; skips rejected ones."""
    features: list[Rows] = []
    overlaps: list[float] = []
    for first in range(0, len(images), BATCH):
        part = images[first : first + BATCH]
        found = zip(*segmenter.candidates(part), strict=True)
        for image, truth, (scores, boxes, coefficients, prototypes) in zip(
            part, masks[first:], found, strict=False
        ):
            one, measured = segmenter.choose_measured(
                image, scores, boxes, coefficients, prototypes
            )
            if one.accepted and one.mask is not None and measured is not None:
                person = truth > 127
                features.append(measured)
                both, either = int((one.mask & person).sum()), int((one.mask | person).sum())
                overlaps.append(both / max(either, 1))
    return Ratings(np.array(features, np.float32), np.array(overlaps, np.float32))


def samples(sources: Sources, seed: int) -> Iterator[tuple[U8, U8]]:
    """Draw images and masks of which everything is known, without end."""
    step = 0
    while True:
        sample = compose(np.random.default_rng((seed, step)), sources)
        step += 1
        if not len(sample.opacity):
            yield sample.image, np.zeros(sample.image.shape[:2], np.uint8)
        elif sample.known[0].min() == 255:
            yield sample.image, sample.opacity[0]


def rate_samples(segmenter: Segmenter, sources: Sources, count: int, seed: int) -> Ratings:
    """Measure a segmenter's masks of ``count`` samples."""
    images, masks = zip(*islice(samples(sources, seed), count), strict=True)
    return rate(segmenter, images, masks)


def fit(ratings: Ratings, seed: int) -> QualityModel:
    """Fit the regression: least cross-entropy between expected and true IoU."""
    torch.manual_seed(seed)
    mean = ratings.features.mean(0)
    scale = np.maximum(ratings.features.std(0), 1e-3)
    inputs = torch.from_numpy(np.clip((ratings.features - mean) / scale, -4, 4))
    target = torch.from_numpy(np.clip(ratings.iou, 0, 1))
    hidden = torch.randn(len(FEATURES) + 1, UNITS).mul_(0.3).requires_grad_()
    output = torch.zeros(UNITS + 1, requires_grad=True)
    optimiser = torch.optim.AdamW([hidden, output], lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(FIT_STEPS):
        logits = _affine(torch.tanh(_affine(inputs, hidden)), output)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        optimiser.step()
    arrays = (hidden.detach().numpy(), output.detach().numpy())
    return QualityModel(mean, scale.astype(np.float32), *arrays)


def _affine(values: Tensor, weights: Tensor) -> Tensor:
    """Multiply by all weights but the last, which are the biases."""
    return values @ weights[:-1] + weights[-1]


def auroc(quality: Rows, bad: npt.NDArray[np.bool_]) -> float:
    """Return the chance that a bad mask has a lower quality than a good one; ties count half.

    ``nan`` if all are bad or none is.
    """
    if bad.all() or not bad.any():
        return float("nan")
    low, high = np.sort(quality[bad]), quality[~bad]
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(below.mean() / (2 * len(low)))
