r"""How well a small classifier tells a cut-out person's edge from an untouched one, by feather.

    python -m benchmarks.edges --src Market-1501

People of the gallery are put on natural backgrounds: another crop with its own person filled in,
where only the edges count that lie on that crop's untouched pixels. A logistic regression sees
gradients in rings of one pixel along the outline, of these composites and of the untouched crops,
and is judged by identity-wise cross-validation. An AUC of 0.5 means that nobody could tell. Beside
the product's feather stands one that lets the source fade out instead, which looks as soft but
leaves a trace of the old background around everybody.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from visnet_aug.arrays import Image, Mask
from visnet_aug.backgrounds.composite import composite
from visnet_aug.datasets import read_dataset
from visnet_aug.masks.segmenter import Segmenter
from visnet_aug.processes import default_workers

PEOPLE = 400
FEATHERS = (0.25, 0.5, 0.75, 1.0, 1.5)
RINGS = (-2, -1, 0, 1)
MIN_RING = 20
"""Pixels of a ring that must lie on untouched background."""

QUALITY = 95
Compose = Callable[[Image, Image, Mask], Image]


@click.command()
@click.option("--src", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(src: Path) -> None:
    """Print the AUC of each way to compose an edge."""
    records = [r for r in read_dataset(src).records if r.split == "gallery" and r.pid > 0]
    records = records[:: max(1, len(records) // PEOPLE)][:PEOPLE]
    images = [_read(record.path) for record in records]
    found = Segmenter(device="cpu").segment(images)
    people = [
        (image, one.mask, record.pid)
        for image, one, record in zip(images, found, records, strict=True)
        if one.accepted and one.mask is not None
    ]
    print(f"machine  {platform.machine()}, {default_workers()} processors; {len(people)} people")
    print(f"hard edge        AUC {judge(people, composite):.3f}")
    for feather in FEATHERS:
        own = judge(people, partial(composite, feather=feather))
        fading = judge(people, partial(_fading, feather=feather))
        print(f"feather {feather:4.2f}     AUC {own:.3f}; the source fading out {fading:.3f}")


def judge(people: Sequence[tuple[Image, Mask, int]], compose: Compose) -> float:
    """Return the AUC of telling composites from untouched crops."""
    order = np.random.default_rng(0).permutation(len(people))
    rows: list[npt.NDArray[np.float64]] = []
    pids: list[int] = []
    for (image, mask, pid), other in zip(people, order, strict=True):
        background, untouched = _without_person(*people[other][:2])
        if background.shape == image.shape:
            made = compose(image, background, mask)
            pair = [_edge_figures(_recoded(one), mask, untouched) for one in (image, made)]
            if pair[0] is not None and pair[1] is not None:
                rows += [pair[0], pair[1]]
                pids += [pid, pid]
    labels = np.arange(len(rows)) % 2
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    guessed = cross_val_predict(
        model, np.array(rows), labels, groups=pids, cv=GroupKFold(5), method="predict_proba"
    )
    return float(roc_auc_score(labels, guessed[:, 1]))


def _edge_figures(image: Image, mask: Mask, untouched: Mask) -> npt.NDArray[np.float64] | None:
    """Return gradients in rings along the outline; ``None`` where too little of it is untouched."""
    pixels = image.astype(np.float32)
    slopes = [cv2.Sobel(pixels, cv2.CV_32F, *axis, ksize=3) for axis in ((1, 0), (0, 1))]
    measures = [np.hypot(*slopes).mean(2), np.abs(cv2.Laplacian(pixels, cv2.CV_32F)).mean(2)]
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance = np.where(mask, 0.5 - inside, outside - 0.5)
    rings = [(distance >= low) & (distance < low + 1) & untouched for low in RINGS]
    if min(int(ring.sum()) for ring in rings) < MIN_RING:
        return None
    means = np.log1p([[one[ring].mean() for one in measures] for ring in rings])
    spreads = np.log1p([[one[ring].std() for one in measures] for ring in rings])
    return np.concatenate([means.ravel(), np.diff(means, axis=0).ravel(), spreads.ravel()])


def _without_person(image: Image, mask: Mask) -> tuple[Image, Mask]:
    """Fill a person in; return the image and where it is untouched."""
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8))
    filled: Any = cv2.inpaint(image, grown, 3, cv2.INPAINT_TELEA)
    return filled, np.asarray(cv2.dilate(grown, np.ones((5, 5), np.uint8)) == 0)


def _fading(image: Image, background: Image, mask: Mask, feather: float) -> Image:
    """Let the source's own pixels fade out outside of the mask."""
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    share = np.maximum(1 - outside / np.float32(feather + 1), 0)[..., None]
    mixed: Image = np.rint(background + share * (image.astype(np.float32) - background))
    return np.where(mask[..., None], image, mixed).astype(np.uint8)


def _recoded(image: Image) -> Image:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _read(path: Path) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert image is not None, path
    return np.ascontiguousarray(image[..., ::-1])


if __name__ == "__main__":
    main()
