"""How good a mask is, predicted from what the network says of it.

A detector's confidence says that there is a person, not that the outline is right. What tells more
costs nothing: how sharp the outline is, whether the anchors that answer for one person agree on
it, and whether somebody else is in the way. A small regression, trained on composites whose masks
are known exactly, turns these figures into the IoU to expect.

Pure functions of arrays, without a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from visnet_aug.masks.person import person_rank
from visnet_aug.masks.refine import refine

Array = npt.NDArray[np.float32]

FEATURES: Final = (
    "confidence",
    "expected_iou",
    "stability",
    "agreement",
    "least_agreement",
    "box_fit",
    "area",
    "height",
    "border",
    "rival",
    "rival_rank",
    "rival_overlap",
    "outline",
    "moved",
    "contrast",
)
"""What `mask_features` measures, in this order."""

QUALITY: Final = "quality."
"""How the names of a `QualityModel`'s arrays begin in a file of weights."""

SAME_PERSON: Final = 0.6
"""Anchors whose boxes overlap by this IoU answer for the same person."""

OTHER_PERSON: Final = 0.4
"""Below this IoU, a box is somebody else's."""

COMPANIONS: Final = 4
"""Anchors, best first, whose masks are compared with the chosen one's."""


@dataclass(frozen=True)
class QualityModel:
    """A regression with one hidden layer, from features to the IoU to expect.

    Attributes:
        mean: (F,), subtracted from the features.
        scale: (F,), what they are divided by then.
        hidden: (F + 1, H), weights of the hidden units, their biases last.
        output: (H + 1,), weights of the output, its bias last.
    """

    mean: Array
    scale: Array
    hidden: Array
    output: Array

    def __call__(self, features: Array) -> Array:
        """Return the expected IoU in 0..1 of each row of features (N,F)."""
        normal = np.clip((features - self.mean) / self.scale, -4, 4)
        units = np.tanh(normal @ self.hidden[:-1] + self.hidden[-1])
        logits = units @ self.output[:-1] + self.output[-1]
        expected: Array = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return expected

    def as_arrays(self) -> dict[str, Array]:
        """Return the model's arrays by name, to be stored beside a network's weights."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "hidden": self.hidden,
            "output": self.output,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> QualityModel:
        """Take over what `as_arrays` gave.

        Raises:
            ValueError: The arrays don't fit each other or `FEATURES`.
        """
        model = cls(*(np.asarray(arrays[name], np.float32) for name in cls.__dataclass_fields__))
        features, units = len(FEATURES), len(model.output) - 1
        shapes = ((features,), (features,), (features + 1, units), (units + 1,))
        found = (model.mean.shape, model.scale.shape, model.hidden.shape, model.output.shape)
        if found != shapes:
            raise ValueError(f"a quality model of shapes {found} where {shapes} are needed")
        return model


def mask_features(
    logits: Array, boxes: Array, scores: Array, chosen: int, image: npt.NDArray[np.uint8]
) -> Array:
    """Measure what tells a good mask from a bad one.

    Args:
        logits: float32 (K,h,w), mask logits of an image's candidates at the prototypes' size.
        boxes: float32 (K,4), their boxes ``x0, y0, x1, y1`` as fractions of the image.
        scores: float32 (K,), their confidences in 0..1.
        chosen: The candidate whose mask is judged.
        image: uint8 (H,W,3) RGB.

    Returns:
        float32 (F,), in the order of `FEATURES`.
    """
    probability = 1 / (1 + np.exp(-np.clip(logits[chosen], -30, 30)))
    mask = logits[chosen] > 0
    overlap = _box_iou(boxes[chosen], boxes)
    same = np.flatnonzero(overlap >= SAME_PERSON)
    companions = [i for i in same[np.argsort(-scores[same], kind="stable")] if i != chosen]
    agreed = [_mask_iou(mask, logits[i] > 0) for i in companions[:COMPANIONS]] or [0.5]
    others = np.flatnonzero(overlap < OTHER_PERSON)
    rival, rival_rank, rival_overlap = 0.0, 0.0, 0.0
    if len(others):
        rank = person_rank(boxes, scores, (1, 1))
        other = int(others[np.argmax(rank[others])])
        rival, rival_rank = float(scores[other]), float(rank[other] / max(rank[chosen], 1e-6))
        rival_overlap = float((mask & (logits[other] > 0)).sum()) / max(int(mask.sum()), 1)
    small = cv2.resize(image, mask.shape[::-1], interpolation=cv2.INTER_AREA)
    small_refined = refine(probability, small)
    inside = float(probability[mask].sum())
    expected = inside / max(float(probability.sum()) + float(mask.sum()) - inside, 1e-6)
    stability = float((probability > 0.7).sum()) / max(float((probability > 0.3).sum()), 1)
    return np.array(
        [
            scores[chosen],
            expected,
            stability,
            np.mean(agreed),
            np.min(agreed),
            _box_fit(mask, boxes[chosen]),
            mask.mean(),
            mask.any(1).mean(),
            _border(mask),
            rival,
            min(rival_rank, 1.0),
            rival_overlap,
            _outline(mask) / max(np.sqrt(mask.sum()), 1),
            _mask_iou(mask, small_refined > 0.5),
            _contrast(mask, small),
        ],
        np.float32,
    )


def _box_iou(box: Array, boxes: Array) -> Array:
    """Return the IoU of one box with each of several."""
    top_left = np.maximum(box[:2], boxes[:, :2])
    bottom_right = np.minimum(box[2:], boxes[:, 2:])
    both = np.prod(np.maximum(bottom_right - top_left, 0), axis=1)
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    area = np.prod(np.maximum(box[2:] - box[:2], 0))
    iou: Array = (both / np.maximum(areas + area - both, 1e-9)).astype(np.float32)
    return iou


def _mask_iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return int((one & other).sum()) / max(int((one | other).sum()), 1)


def _box_fit(mask: npt.NDArray[np.bool_], box: Array) -> float:
    """Return the IoU of a box with the box around a mask, both within the image."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0.0
    height, width = mask.shape
    around = (
        columns[0] / width,
        rows[0] / height,
        (columns[-1] + 1) / width,
        (rows[-1] + 1) / height,
    )
    inside = np.clip(box, 0, 1).astype(np.float32)
    return float(_box_iou(inside, np.array([around], np.float32))[0])


def _border(mask: npt.NDArray[np.bool_]) -> float:
    """Return the share of the left, right and upper border that the mask touches."""
    height, width = mask.shape
    touched = int(mask[0].sum()) + int(mask[:, 0].sum()) + int(mask[:, -1].sum())
    return touched / (2 * height + width)


def _outline(mask: npt.NDArray[np.bool_]) -> int:
    """Return the number of neighbouring pixels of which one is in the mask."""
    return int((mask[1:] != mask[:-1]).sum()) + int((mask[:, 1:] != mask[:, :-1]).sum())


def _contrast(mask: npt.NDArray[np.bool_], image: npt.NDArray[np.uint8]) -> float:
    """Return the mean difference of neighbouring pixels across the outline, in 0..1."""
    grey = image.astype(np.float32).mean(2) / 255
    down, across = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    total = float(np.abs(np.diff(grey, axis=0))[down].sum())
    total += float(np.abs(np.diff(grey, axis=1))[across].sum())
    return total / max(int(down.sum()) + int(across.sum()), 1)
