"""How fast each background variant is: rewriting, and for scale, decoding the same crops.

Absolute rates mean little on a shared machine; the ratio to ``cv2.imdecode``, measured in turn
with everything else in the same run, carries over. Run it from the project's folder:

    python benchmarks/families.py [--images DIR] [--seconds 0.4]

Each rewrite is what a build does per copy: draw the parameters, remove the person where the
variant needs it, transform, composite.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from visnet_aug.backgrounds.loading import load_albumentations

load_albumentations(torch=False)

from visnet_aug.arrays import Image, Mask  # noqa: E402
from visnet_aug.backgrounds.base import BackgroundTransform  # noqa: E402
from visnet_aug.backgrounds.composite import composite  # noqa: E402
from visnet_aug.backgrounds.fill import remove_person  # noqa: E402
from visnet_aug.backgrounds.registry import FAMILIES, make_family  # noqa: E402
from visnet_aug.backgrounds.settings import BackgroundSettings  # noqa: E402

CROPS = 64
ROUNDS = 5


def drawn_crops(rng: np.random.Generator) -> list[Image]:
    """Draw textured crops: coarse and fine noise."""
    crops = []
    for _ in range(CROPS):
        layers = [
            cv2.resize(
                rng.integers(0, 256, (128 // size, 64 // size, 3), np.uint8),
                (64, 128),
                interpolation=cv2.INTER_CUBIC,
            )
            for size in (32, 8, 2)
        ]
        crops.append(np.mean(layers, axis=0).astype(np.uint8))
    return crops


def read_crops(folder: Path) -> list[Image]:
    """Read the first crops of a folder."""
    paths = sorted(folder.glob("*.jpg"))[:CROPS]
    if not paths:
        raise SystemExit(f"no .jpg in {folder}")
    return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]


def ellipse(shape: tuple[int, int]) -> Mask:
    """Return a person-sized mask."""
    mask = np.zeros(shape, np.uint8)
    center = (shape[1] // 2, shape[0] // 2)
    cv2.ellipse(mask, center, (shape[1] // 4, shape[0] * 2 // 5), 0, 0, 360, 1, cv2.FILLED)
    return mask.astype(bool)


def rewrite(
    crops: Sequence[Image],
    masks: Sequence[Mask],
    family: BackgroundTransform,
    variant: str,
    i: int,
) -> Image:
    """Do what a build does between decoding and encoding."""
    height, width = masks[i].shape
    record = family.draw(variant, 1.0, (height, width), np.random.default_rng(i))
    return family.rewrite(crops[i], record, masks[i])


def rewriters(crops: Sequence[Image]) -> dict[str, Callable[[int], object]]:
    """Return one function of an image's number per thing to be measured."""
    settings = BackgroundSettings()
    masks = [ellipse((crop.shape[0], crop.shape[1])) for crop in crops]
    files = [cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 75])[1] for crop in crops]
    todo: dict[str, Callable[[int], object]] = {
        "cv2.imdecode": lambda i: cv2.imdecode(files[i], cv2.IMREAD_COLOR),
        "composite": lambda i: composite(crops[i], crops[i], masks[i]),
        "composite, feather 2": lambda i: composite(crops[i], crops[i - 1], masks[i], 2),
        "remove_person": lambda i: remove_person(crops[i], masks[i]),
    }
    for name in FAMILIES:
        family = make_family(name, settings)
        joined = ["+".join(family.variants)] if name == "color_shift" else []
        for variant in [*family.variants, *joined]:
            todo[f"{name} {variant}"] = partial(rewrite, crops, masks, family, variant)
    return todo


def measure(todo: dict[str, Callable[[int], object]], count: int, seconds: float) -> None:
    """Time everything in turn, several times over, and print the best rates."""
    best = dict.fromkeys(todo, float("inf"))
    for _ in range(ROUNDS):
        for name, function in todo.items():
            calls, start = 0, time.perf_counter()
            while time.perf_counter() - start < seconds / ROUNDS:
                for i in range(count):
                    function(i)
                calls += count
            best[name] = min(best[name], (time.perf_counter() - start) / calls)
    decode = best["cv2.imdecode"]
    print(f"{'':42} {'images/s':>10} {'of decoding':>12}")
    for name, cost in best.items():
        print(f"{name:42} {1 / cost:10,.0f} {decode / cost:12.2f}")


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=Path, help="folder of .jpg crops instead of drawn ones")
    parser.add_argument("--seconds", type=float, default=0.4, help="time per line")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    crops = read_crops(arguments.images) if arguments.images else drawn_crops(rng)
    measure(rewriters(crops), len(crops), arguments.seconds)


if __name__ == "__main__":
    main()
