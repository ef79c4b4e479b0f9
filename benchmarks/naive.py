"""A straightforward augmentation script as the baseline of ``build.py``.

    python -m benchmarks.naive --out FOLDER IMAGE...

One process handles one image at a time: ``imread``, Ultralytics' ``predict`` at its default size of
640, a NumPy transform of the background, ``imwrite``. The network has random weights (the bundled
weights are not in Ultralytics' format) and takes the same time. If it detects nobody, which is the
usual case, a box in the middle serves as the mask, which saves the script the post-processing.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import numpy.typing as npt

WARM = 3
"""Warm-up images, which are not timed."""


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(out: Path, images: tuple[Path, ...]) -> None:
    """Augment images; print the number of images and the seconds as JSON, without warm-up."""
    from ultralytics import YOLO

    out.mkdir(parents=True, exist_ok=True)
    network: Any = YOLO("yolov8n-seg.yaml", verbose=False)
    for path in images[:WARM]:
        augment(path, network, out)
    start = time.perf_counter()
    for path in images:
        augment(path, network, out)
    print(json.dumps({"images": len(images), "seconds": time.perf_counter() - start}))


def augment(path: Path, network: Any, out: Path) -> None:
    """Write one copy of an image with a noise background."""
    image = cv2.imread(str(path))
    assert image is not None, path
    result = network.predict(image, imgsz=640, verbose=False)[0]
    person = person_of(result, image.shape[:2])
    noise = np.random.default_rng().normal(0, 40, image.shape)
    background = np.clip(image + noise, 0, 255).astype(np.uint8)
    cv2.imwrite(str(out / path.name), np.where(person[..., None], image, background))


def person_of(result: Any, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the first detected mask, or a box in the middle, as bool H×W."""
    height, width = shape
    if result.masks is not None:
        mask = result.masks.data[0].cpu().numpy()
        return np.asarray(cv2.resize(mask, (width, height)) > 0.5)
    person = np.zeros(shape, bool)
    person[height // 8 : -height // 8, width // 4 : -width // 4] = True
    return person


if __name__ == "__main__":
    main()
