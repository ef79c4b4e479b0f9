"""How good a mask is, predicted from what the network says of it.

A detector's confidence says that there is a person, not that the outline is right. What tells more
costs nothing: how sharp the outline is, whether the anchors that answer for one person agree on
it, and whether somebody else is in the way. A small regression, trained on composites whose masks
are known exactly, turns these figures into the IoU to expect.

Pure functions of arrays, without a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from visnet_aug.masks.person import person_rank

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
class Rival:
    """The likeliest other person of a crop.

    Attributes:
        overlap: float32 (K,), IoU of the chosen candidate's box with every one.
        index: The best candidate that is not the chosen person; ``None`` if there is none.
        rank: Its `person_rank` divided by that of the chosen one; 0 if there is none.
    """

    overlap: Array
    index: int | None
    rank: float


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
    decode: Callable[[int], Array],
    boxes: Array,
    scores: Array,
    chosen: int,
    rival: Rival,
    image: npt.NDArray[np.uint8],
    refined: Array,
) -> Array:
    """Measure what tells a good mask from a bad one.

    Args:
        decode: Returns the mask logits (h,w) of one of an image's K candidates, at the prototypes'
            size.
        boxes: float32 (K,4), their boxes ``x0, y0, x1, y1`` as fractions of the image.
        scores: float32 (K,), their confidences in 0..1.
        chosen: The candidate whose mask is judged.
        rival: What `find_rival` returns for it.
        image: uint8 (H,W,3) RGB.
        refined: float32 (H,W), the refined probability of the chosen candidate.

    Returns:
        float32 (F,), in the order of `FEATURES`.
    """
    logits = decode(chosen)
    probability = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    mask = logits > 0
    size = _count(mask)
    same = np.flatnonzero(rival.overlap >= SAME_PERSON)
    companions = [i for i in same[np.argsort(-scores[same], kind="stable")] if i != chosen]
    agreed = [_mask_iou(mask, decode(i) > 0) for i in companions[:COMPANIONS]] or [0.5]
    confidence, taken = 0.0, 0.0
    if rival.index is not None:
        confidence = float(scores[rival.index])
        taken = _count(mask & (decode(rival.index) > 0)) / max(size, 1)
    shape = mask.shape[::-1]
    small = cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
    small_refined = cv2.resize(refined, shape, interpolation=cv2.INTER_AREA)
    inside, total = float(probability[mask].sum()), float(probability.sum())
    expected = inside / max(total + size - inside, 1e-6)
    sure, likely = _count(probability > 0.7), _count(probability > 0.3)
    down, across = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    outline = _count(down) + _count(across)
    return np.array(
        [
            scores[chosen],
            expected,
            sure / max(likely, 1),
            sum(agreed) / len(agreed),
            min(agreed),
            _box_fit(mask, boxes[chosen]),
            size / mask.size,
            _count(np.any(mask, axis=1)) / len(mask),
            _border(mask),
            confidence,
            min(rival.rank, 1.0),
            taken,
            outline / max(size**0.5, 1),
            _mask_iou(mask, small_refined > 0.5),
            _contrast(down, across, small) / max(outline, 1),
        ],
        np.float32,
    )


def find_rival(boxes: Array, scores: Array, chosen: int) -> Rival:
    """Find the likeliest other person of a crop.

    Args:
        boxes: float32 (K,4), ``x0, y0, x1, y1`` as fractions of the image.
        scores: float32 (K,), confidences in 0..1.
        chosen: Index of the person that the crop is about.
    """
    overlap = _box_iou(boxes[chosen], boxes)
    others = np.flatnonzero(overlap < OTHER_PERSON)
    if not len(others):
        return Rival(overlap, None, 0.0)
    rank = person_rank(boxes, scores, (1, 1))
    other = int(others[np.argmax(rank[others])])
    return Rival(overlap, other, float(rank[other]) / max(float(rank[chosen]), 1e-6))


def distinct_people(boxes: Array, scores: Array, min_score: float) -> list[int]:
    """Return one candidate for each person: non-maximum suppression.

    Args:
        boxes: float32 (K,4), ``x0, y0, x1, y1`` as fractions of the image.
        scores: float32 (K,), confidences in 0..1.
        min_score: Candidates below it are nobody.

    Returns:
        Indices, the most confident first; boxes of different people overlap by less than
        `SAME_PERSON`.
    """
    people: list[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        taken = people and _box_iou(boxes[index], boxes[people]).max() >= SAME_PERSON
        if scores[index] >= min_score and not taken:
            people.append(index)
    return people


def _box_iou(box: Array, boxes: Array) -> Array:
    """Return the IoU of one box with each of several."""
    x0, y0, x1, y1 = boxes.T
    left, top, right, bottom = box
    width = np.maximum(np.minimum(x1, right) - np.maximum(x0, left), 0)
    height = np.maximum(np.minimum(y1, bottom) - np.maximum(y0, top), 0)
    both = width * height
    areas = np.maximum(x1 - x0, 0) * np.maximum(y1 - y0, 0)
    area = max(right - left, 0) * max(bottom - top, 0)
    iou: Array = (both / np.maximum(areas + area - both, 1e-9)).astype(np.float32)
    return iou


def _count(mask: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))


def _mask_iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return _count(one & other) / max(_count(one | other), 1)


def _box_fit(mask: npt.NDArray[np.bool_], box: Array) -> float:
    """Return the IoU of a box with the box around a mask, both within the image."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0.0
    height, width = mask.shape
    left, right = columns[0] / width, (columns[-1] + 1) / width
    top, bottom = rows[0] / height, (rows[-1] + 1) / height
    x0, y0, x1, y1 = (min(max(value, 0.0), 1.0) for value in box.tolist())
    both = max(min(x1, right) - max(x0, left), 0.0) * max(min(y1, bottom) - max(y0, top), 0.0)
    either = (x1 - x0) * (y1 - y0) + (right - left) * (bottom - top) - both
    return float(both / max(either, 1e-9))


def _border(mask: npt.NDArray[np.bool_]) -> float:
    """Return the share of the left, right and upper border that the mask touches."""
    height, width = mask.shape
    touched = _count(mask[0]) + _count(mask[:, 0]) + _count(mask[:, -1])
    return float(touched / (2 * height + width))


def _contrast(
    down: npt.NDArray[np.bool_], across: npt.NDArray[np.bool_], image: npt.NDArray[np.uint8]
) -> float:
    """Return the sum of the differences between neighbouring pixels across the outline, each 0..1.

    Args:
        down: bool (h-1,w), where the outline runs between a pixel and the one below.
        across: bool (h,w-1), where it runs between a pixel and the one to the right.
        image: uint8 (h,w,3).
    """
    grey = np.asarray(cv2.transform(image, np.full((1, 3), 1 / 3)), np.float32) / 255
    total = np.abs(np.diff(grey, axis=0))[down].sum() + np.abs(np.diff(grey, axis=1))[across].sum()
    return float(total)
