"""The set as Hugging Face's `datasets` and `huggingface_hub` see it, with no network."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from visnet_aug.builder.rows import UNTOUCHED
from visnet_aug.datasets.images import decode_rgb
from visnet_aug.manifest import ManifestRow, read_manifest

if TYPE_CHECKING:
    from datasets import DatasetDict

KINDS = ["default", "published", "probe"]


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`load_dataset`, which keeps what it makes in a folder of its own and asks nobody."""
    pytest.importorskip("datasets", reason="pip install 'visnet[dev]' has datasets")
    home = tmp_path_factory.mktemp("home")
    os.environ.update(HF_HUB_OFFLINE="1", HF_HOME=str(home))  # read when datasets is imported
    import datasets

    datasets.disable_progress_bars()

    def load(*arguments: str, **options: str) -> DatasetDict:
        return datasets.load_dataset(*arguments, **options, cache_dir=str(home))

    return load


def expected(row: ManifestRow) -> dict[str, Any]:
    """What a row of the manifest becomes."""
    return {
        "split": row.split,
        "pid": row.pid,
        "camid": row.camid,
        "sequence": row.sequence,
        "frame": row.frame,
        "kind": row.kind,
        "source": row.source,
        "copy": row.copy or 0,
        "family": row.family or UNTOUCHED,
        "variant": row.variant or UNTOUCHED,
        "intensity": row.intensity or 0.0,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_loads_by_its_card_with_every_image_and_its_row(
    sets: dict[str, Path], load: Any, kind: str
) -> None:
    rows = read_manifest(sets[kind] / "manifest.csv")
    loaded = load(str(sets[kind]))
    assert {split: len(part) for split, part in loaded.items()} == Counter(
        row.split.replace("-", "_") for row in rows
    )
    seen = {}
    for part in loaded.values():
        for record in part:
            image = record.pop("image")
            seen[os.path.relpath(image.filename, sets[kind])] = record
    assert seen == {row.path: expected(row) for row in rows}


def test_the_pixels_are_the_files(sets: dict[str, Path], load: Any) -> None:
    import numpy as np

    for record in load(str(sets["default"]))["train"]:
        data = Path(record["image"].filename).read_bytes()
        np.testing.assert_array_equal(np.array(record["image"]), decode_rgb(data))


def test_shards_load_with_their_records_and_masks(sets: dict[str, Path], load: Any) -> None:
    rows = read_manifest(sets["shards"] / "manifest.csv")
    loaded = load(str(sets["shards"]))
    found = {
        record["json"].pop("file_name"): (record["json"], record["mask.png"].size)
        for part in loaded.values()
        for record in part
    }
    assert found == {
        row.path.rpartition("/")[2]: (expected(row), (row.width, row.height)) for row in rows
    }


def test_imagefolder_loads_a_folder_of_images_alone(sets: dict[str, Path], load: Any) -> None:
    loaded = load("imagefolder", data_dir=str(sets["default"] / "query"))
    (part,) = loaded.values()
    assert Counter(part["pid"]) == {11: 3, 12: 3}
    assert part.column_names[:4] == ["image", "split", "pid", "camid"]


@pytest.mark.parametrize("kind", [*KINDS, "shards"])
def test_the_card_is_one(sets: dict[str, Path], kind: str) -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = hub.DatasetCard.load(sets[kind] / "README.md")
    data = card.data.to_dict()
    assert data["license"] == "other"
    assert data["license_name"] == "terms-of-the-source-dataset"
    assert data["task_categories"] == ["image-feature-extraction"]
    assert data["size_categories"] == ["n<1K"]
    assert data["pretty_name"] in card.text
    splits = {row.split for row in read_manifest(sets[kind] / "manifest.csv")}
    (configuration,) = data["configs"]
    assert {part["split"] for part in configuration["data_files"]} == {
        split.replace("-", "_") for split in splits
    }
    assert hub.DatasetCardData(**data).to_dict() == data
