"""A built set of a few tiny images, and what trains on it within a second."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from visnet_aug.manifest import ManifestRow, read_manifest, write_manifest
from visnet_model.config import TrainConfig
from visnet_model.data.images import MemoryImages
from visnet_model.data.loader import TrainingLoader
from visnet_model.data.sampler import PKSampler
from visnet_model.data.table import identity_labels, read_tables
from visnet_model.training.distributed import Ranks
from visnet_model.training.trainer import Trainer

SPLITS = {"train": range(1, 6), "query": range(11, 14), "gallery": range(11, 14)}
FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}

SMALL: dict[str, dict[str, Any]] = {
    "network": {"backbone": "resnet18"},
    "data": {"height": 32, "width": 32, "identities": 4, "num_instances": 2},
    "optimisation": {"epochs": 3, "precision": "fp32"},
    "evaluation": {"every": 1},
}
"""ResNet18 on 32×32: three steps an epoch."""


@pytest.fixture(scope="session")
def small_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write five training identities of four images, three to find again; the manifest."""
    root = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(0)
    rows = []
    for split, pids in SPLITS.items():
        for pid in pids:
            colour = rng.integers(0, 256, 3)
            for camid in (1, 2) if split != "train" else (1, 2, 3, 4):
                rows.append(_row(root, split, pid, camid, _picture(rng, colour)))
    path = root / "manifest.csv"
    write_manifest(path, rows)
    return path


@pytest.fixture(scope="session")
def into_shards() -> Callable[[Path, Path], Path]:
    """Write a set again as two tars, each row's file in one or the other; its rows in order."""

    def into_shards(manifest: Path, root: Path) -> Path:
        rows = []
        with tarfile.open(root / "a.tar", "w") as first, tarfile.open(root / "b.tar", "w") as last:
            for number, one in enumerate(read_manifest(manifest)):
                name, tar = one.path.rpartition("/")[2], (first, last)[number % 3 == 0]
                tar.add(manifest.parent / one.path, name)
                rows.append(replace(one, path=f"{Path(str(tar.name)).name}/{name}"))
        write_manifest(root / "manifest.csv", rows)
        return root / "manifest.csv"

    return into_shards


def _picture(rng: np.random.Generator, colour: Any) -> bytes:
    pixels = np.clip(colour + rng.normal(0, 40, (32, 16, 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _row(root: Path, split: Any, pid: int, camid: int, data: bytes) -> ManifestRow:
    name = f"{FOLDERS[split]}/{pid:04}_c{camid}s1_000000_00.png"
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(data)
    return ManifestRow(
        path=name, split=split, pid=pid, camid=camid, sequence=1, frame=0, kind="original",
        source=name, copy=None, family=None, variant=None, intensity=None, seed=None, params=None,
        mask=None, mask_area=None, mask_confidence=None, mask_quality=None, width=16, height=32,
        sha256=hashlib.sha256(data).hexdigest(),
    )  # fmt: skip


@pytest.fixture(scope="session")
def config() -> Callable[..., TrainConfig]:
    """Return a function that makes the small config with some changed settings."""

    def make(**changes: dict[str, Any]) -> TrainConfig:
        merged: dict[str, Any] = {
            name: {**SMALL.get(name, {}), **changes.get(name, {})} for name in {*SMALL, *changes}
        }
        return TrainConfig.model_validate(merged)

    return make


@pytest.fixture
def make_trainer(small_manifest: Path) -> Callable[..., Trainer]:
    """Make a trainer on the small set, for this process alone or as one of several."""

    def make(config: TrainConfig, rank: int = 0, world: int = 1) -> Trainer:
        data, table = config.data, read_tables(small_manifest)["train"]
        labels, pids = identity_labels(table.pids)
        sampler = PKSampler(
            labels, table.sources, identities=data.identities, num_instances=data.num_instances,
            seed=config.seed, mixing=data.mixing,
        )  # fmt: skip
        images = MemoryImages.load(table, data.height, data.width)
        loader = TrainingLoader(
            images, labels, sampler, data.augmentation, seed=config.seed, rank=rank, world=world
        )
        return Trainer(config, loader, pids.tolist(), Ranks(rank, world, torch.device("cpu")))

    return make
