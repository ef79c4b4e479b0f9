"""A small built set with the parts that training reads: images and their manifest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visnet_aug.manifest import ManifestRow, write_manifest

WriteSet = Callable[..., Path]


def row(path: str, split: str, pid: int, source: str, family: str | None = None) -> ManifestRow:
    copy = family is not None
    return ManifestRow(
        path=path,
        split=split,  # type: ignore[arg-type]
        pid=pid,
        camid=1 + pid % 2,
        sequence=1,
        frame=1,
        kind="augmented" if copy else "original",
        source=source,
        copy=1 if copy else None,
        family=family,
        variant="gaussian" if copy else None,
        intensity=0.5 if copy else None,
        seed=7 if copy else None,
        params={} if copy else None,
        mask="masks/mask.png" if copy else None,
        mask_area=0.4 if copy else None,
        mask_confidence=0.9 if copy else None,
        mask_quality=None,
        width=32,
        height=64,
        sha256="0" * 64,
    )


@pytest.fixture(scope="session")
def write_set() -> WriteSet:
    """Write originals and one copy of each: 3 × 4 training, 2 × 1 query and gallery images."""

    def write(root: Path, sizes: tuple[tuple[int, int], ...] = ((64, 32),)) -> Path:
        rng = np.random.default_rng(5)
        rows = []
        for split, pids, count in (("train", (9, 3, 40), 4), ("query", (2, 5), 1)):
            for pid in pids:
                for number in range(count):
                    name = f"{split}/{pid:04}_{number}"
                    rows.append(row(f"{name}.png", split, pid, f"{name}.png"))
                    if split == "train":
                        rows.append(row(f"{name}_1_noise.png", split, pid, f"{name}.png", "noise"))
        for number, one in enumerate(rows):
            path = root / one.path
            path.parent.mkdir(parents=True, exist_ok=True)
            height, width = sizes[number % len(sizes)]
            pixels = rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
            smooth = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
            smooth.save(path)
        write_manifest(root / "manifest.csv", rows)
        return root / "manifest.csv"

    return write
