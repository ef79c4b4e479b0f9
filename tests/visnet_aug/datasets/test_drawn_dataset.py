from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visnet_aug.datasets.drawn import DrawnSummary, dataset, draw_dataset
from visnet_aug.datasets.drawn.plan import PlannedCrop
from visnet_aug.errors import OutputError, RecipeError

IDENTITIES = 6


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> DrawnSummary:
    out = tmp_path_factory.mktemp("drawn") / "alone"
    return draw_dataset(out, identities=IDENTITIES, seed=3, workers=1)


def test_two_workers_draw_the_same_bytes(alone: DrawnSummary, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = draw_dataset(
        tmp_path / "both", identities=IDENTITIES, seed=3, workers=2,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert contents(report.out) == contents(alone.out)
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == (alone.images, alone.images)


def test_the_layout_is_market1501s_with_masks_beside(alone: DrawnSummary) -> None:
    assert {path.name for path in alone.out.iterdir()} == {
        "bounding_box_train", "query", "bounding_box_test", "ground_truth_masks",
    }  # fmt: skip
    counts = {
        folder: len(list((alone.out / folder).glob("*.jpg")))
        for folder in ("bounding_box_train", "query", "bounding_box_test")
    }
    assert counts == {"bounding_box_train": 36, "query": 9, "bounding_box_test": 42}
    assert alone.images == sum(counts.values())
    assert not (alone.out / "bounding_box_train" / "Thumbs.db").exists()
    for folder in ("query", "bounding_box_test"):
        assert (alone.out / folder / "Thumbs.db").stat().st_size > 0


def test_images_are_small_jpegs_like_the_real_ones(alone: DrawnSummary) -> None:
    paths = sorted(alone.out.glob("*/*.jpg"))
    for path in paths:
        with Image.open(path) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (64, 128), "RGB")
    with Image.open(paths[0]) as image:
        assert image.quantization[0][0] == 8, "the first luma step of quality 75"  # type: ignore[attr-defined]
        assert [layer[1:3] for layer in image.layer] == [(2, 2), (1, 1), (1, 1)]  # type: ignore[attr-defined]


def test_every_training_image_has_its_mask(alone: DrawnSummary) -> None:
    train = alone.out / "bounding_box_train"
    masks = alone.out / "ground_truth_masks" / "bounding_box_train"
    stems = {path.name.partition(".")[0] for path in train.iterdir()}
    assert {path.name for path in masks.iterdir()} == {f"{stem}.png" for stem in stems}
    for path in masks.iterdir():
        with Image.open(path) as mask:
            assert (mask.mode, mask.size) == ("1", (64, 128))
            assert 0 < np.asarray(mask).mean() < 0.8


def test_an_empty_folder_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "_draw_one", lambda crop, out, seed: None)
    out = tmp_path / "empty"
    out.mkdir()
    assert draw_dataset(out, identities=4, workers=1).out == out
    assert (out / "query").is_dir()


@pytest.mark.parametrize("what", ["full", "file", "left over"])
def test_nothing_is_overwritten(tmp_path: Path, what: str) -> None:
    out = tmp_path / "out"
    if what == "full":
        out.mkdir()
        (out / "precious.txt").write_text("mine")
    elif what == "file":
        out.write_text("mine")
    else:
        (tmp_path / "out.part").mkdir()
        (tmp_path / "out.part" / "half.jpg").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=r"out"):
        draw_dataset(out, identities=4)
    assert contents(tmp_path) == before


def test_a_failed_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(crop: PlannedCrop, out: Path, seed: int) -> None:
        raise OSError(28, "No space left on device", str(out / crop.name))

    monkeypatch.setattr(dataset, "_draw_one", full)
    with pytest.raises(OutputError, match="No space left on device"):
        draw_dataset(tmp_path / "out", identities=4, workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("identities", "seed"), [(3, 0), (0, 0), (24, -1)])
def test_senseless_requests_are_refused(tmp_path: Path, identities: int, seed: int) -> None:
    with pytest.raises(RecipeError, match="identities"):
        draw_dataset(tmp_path / "out", identities=identities, seed=seed)
