from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from visnet_aug.datasets import read_dataset
from visnet_aug.datasets.counts import PUBLISHED, SplitCounts, count_splits, is_published
from visnet_aug.datasets.layout import FOLDERS
from visnet_aug.datasets.record import Dataset, ImageRecord, RejectedImage
from visnet_aug.errors import DatasetError

read_market1501 = partial(read_dataset, layout="market1501")

Files = Mapping[str, Sequence[str]]

MINIMAL: Files = MappingProxyType(
    {
        "bounding_box_train": ("0002_c1s1_000451_03.jpg",),
        "query": ("0003_c2s1_000451_00.jpg",),
        "bounding_box_test": ("0003_c3s1_000451_01.jpg",),
    }
)


def jpeg(seed: int = 0, width: int = 8, height: int = 16) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def make_dataset(root: Path, **extra: Sequence[str]) -> Path:
    """Write the minimal dataset and extra files; a name that ends in ``/`` becomes a folder."""
    for folder in MINIMAL:
        (root / folder).mkdir(parents=True)
        for name in (*MINIMAL[folder], *extra.get(folder, ())):
            if name.endswith("/"):
                (root / folder / name).mkdir()
            else:
                (root / folder / name).write_bytes(jpeg())
    return root


def rejections(dataset: Dataset) -> dict[str, str]:
    return {image.path.name: image.reason for image in dataset.rejected}


def test_a_record_says_all_that_name_and_bytes_say(tmp_path: Path) -> None:
    dataset = read_market1501(make_dataset(tmp_path))
    record = dataset.split("train")[0]
    assert record == ImageRecord(
        path=tmp_path.resolve() / "bounding_box_train/0002_c1s1_000451_03.jpg",
        name="0002_c1s1_000451_03.jpg",
        stem="0002_c1s1_000451_03",
        split="train",
        pid=2,
        camid=1,
        sequence=1,
        frame=451,
        box=3,
        width=8,
        height=16,
        sha256=record.sha256,
    )
    assert dataset.folders == FOLDERS
    assert (dataset.layout, dataset.ignored, dataset.rejected) == ("market1501", 0, ())


@pytest.mark.parametrize(
    ("name", "stem", "numbers"),
    [
        ("-1_c1s1_000001_00.jpg", "-1_c1s1_000001_00", (-1, 1, 1, 1, 0)),
        ("0000_c6s3_000002_07.jpg", "0000_c6s3_000002_07", (0, 6, 3, 2, 7)),
        ("0007_c3s2_116829_05.jpg.jpg", "0007_c3s2_116829_05", (7, 3, 2, 116829, 5)),
        ("0007_c3s2_116829_05.JPG", "0007_c3s2_116829_05", (7, 3, 2, 116829, 5)),
        ("0007_c3s2_116829_05.Jpeg", "0007_c3s2_116829_05", (7, 3, 2, 116829, 5)),
        ("0007_c3s2_116829_05.png", "0007_c3s2_116829_05", (7, 3, 2, 116829, 5)),
        ("0007_c3s2_116829_05.png.jpg.JPG", "0007_c3s2_116829_05", (7, 3, 2, 116829, 5)),
        ("12345_c15s1_1234567_123.jpg", "12345_c15s1_1234567_123", (12345, 15, 1, 1234567, 123)),
    ],
)
def test_names_that_parse(name: str, stem: str, numbers: tuple[int, ...], tmp_path: Path) -> None:
    dataset = read_market1501(make_dataset(tmp_path, bounding_box_test=[name]))
    (record,) = (record for record in dataset.split("gallery") if record.name == name)
    assert record.stem == stem
    assert numbers == (record.pid, record.camid, record.sequence, record.frame, record.box)


@pytest.mark.parametrize(
    "name",
    [
        "0007_c3s2_116829_05",
        "0007_c3s2_116829_05.txt",
        "0007_c3s2_116829_05.jpg.part",
        "0007_c3s2_116829_05.bmp",
        "0007_c3s2_116829_05_1_noise.jpg",
        "x0007_c3s2_116829_05.jpg",
        "0007_c3s2_116829_05.jpg\n",
        "0007_c3_116829_05.jpg",
        "0007_c0s2_116829_05.jpg",
        "0007_C3S2_116829_05.jpg",
        "007_c3s2_116829_05.jpg",
        "-2_c3s2_116829_05.jpg",
        "٠٠٠٧_c3s2_116829_05.jpg",
        "0007_c3s2_11682_05.jpg",
        "0007_c3s2_116829_5.jpg",
        "readme.md",
        b"0007_c3s2_\xff16829_05.jpg".decode(errors="surrogateescape"),
    ],
)
def test_names_that_do_not_parse_are_rejected(name: str, tmp_path: Path) -> None:
    dataset = read_market1501(make_dataset(tmp_path, query=[name]))
    assert rejections(dataset) == {name: "bad_name"}
    assert len(dataset.records) == 3


@pytest.mark.parametrize(
    "name",
    [
        *("Thumbs.db", "thumbs.db", "ehthumbs.db", "desktop.ini", ".DS_Store"),
        *("._0007_c3s2_116829_05.jpg", ".thumbnails/", "@eaDir/", "__MACOSX/"),
    ],
)
def test_litter_is_ignored_and_counted(name: str, tmp_path: Path) -> None:
    dataset = read_market1501(make_dataset(tmp_path, query=[name]))
    assert (len(dataset.records), dataset.rejected, dataset.ignored) == (3, (), 1)


@pytest.mark.parametrize(
    ("folder", "name", "reason"),
    [
        ("bounding_box_train", "-1_c1s1_000001_00.jpg", "no_identity"),
        ("bounding_box_train", "0000_c1s1_000001_00.jpg", "no_identity"),
        ("query", "-1_c1s1_000001_00.jpg", "no_identity"),
        ("query", "0000_c1s1_000001_00.jpg", "no_identity"),
        ("bounding_box_train", "0003_c1s1_000001_00.jpg", "identity_leak"),
        ("bounding_box_train", "0002_c1s1_000451_03.jpg.jpg", "duplicate_stem"),
        ("query", "0003_c2s1_000451_00.png", "duplicate_stem"),
        ("query", "more/", "subfolder"),
        ("query", "0003_c4s1_000451_00.jpg/", "unreadable"),
    ],
)
def test_rejected_by_name_and_place(folder: str, name: str, reason: str, tmp_path: Path) -> None:
    dataset = read_market1501(make_dataset(tmp_path, **{folder: [name]}))
    assert rejections(dataset) == {name.rstrip("/"): reason}
    assert len(dataset.records) == 3


def test_an_unreadable_test_image_still_keeps_its_identity_out_of_training(
    tmp_path: Path,
) -> None:
    make_dataset(tmp_path, bounding_box_train=["0009_c1s1_000001_00.jpg"])
    (tmp_path / "bounding_box_test/0009_c2s1_000001_00.jpg").write_bytes(b"")
    assert rejections(read_market1501(tmp_path)) == {
        "0009_c1s1_000001_00.jpg": "identity_leak",
        "0009_c2s1_000001_00.jpg": "zero_byte",
    }


def test_the_same_stem_in_two_splits_is_two_images(tmp_path: Path) -> None:
    dataset = read_market1501(make_dataset(tmp_path, query=MINIMAL["bounding_box_test"]))
    assert (len(dataset.records), dataset.rejected) == (4, ())


def test_sorted_by_split_then_name(tmp_path: Path) -> None:
    pids = 10 + np.random.default_rng(0).permutation(300)
    names = [f"{pid:04}_c1s1_000001_00.jpg" for pid in pids]
    make_dataset(tmp_path, bounding_box_test=[*names, "-1_c1s1_000001_00.jpg", "b", "a"])
    dataset = read_market1501(tmp_path, workers=4)
    order = list(FOLDERS)
    for images in (dataset.records, dataset.rejected):
        keys = [(order.index(image.split), image.path.name) for image in images]
        assert keys == sorted(keys)
    assert (len(dataset.records), len(dataset.rejected)) == (304, 2)
    assert read_market1501(tmp_path, workers=1) == dataset


def test_stop_names_the_first_unusable_image(tmp_path: Path) -> None:
    make_dataset(tmp_path, query=["bad.jpg"], bounding_box_test=["also-bad.jpg"])
    (tmp_path / "bounding_box_train/0005_c1s1_000001_00.jpg").write_bytes(jpeg()[:-40])
    with pytest.raises(DatasetError, match=r"0005_c1s1_000001_00\.jpg: truncated: .*again"):
        read_market1501(tmp_path, on_error="stop")


def test_an_unprintable_name_is_shown_on_one_line(tmp_path: Path) -> None:
    name = b"line\n\xff.jpg".decode(errors="surrogateescape")
    make_dataset(tmp_path, query=[name])
    with pytest.raises(DatasetError, match=r"line\\n\\udcff\.jpg': bad_name") as error:
        read_market1501(tmp_path, on_error="stop")
    assert str(error.value).isprintable()


def test_progress_reaches_the_total(tmp_path: Path) -> None:
    names = [f"{pid:04}_c1s1_000001_00.jpg" for pid in range(100, 300)]
    make_dataset(tmp_path, bounding_box_train=names)
    calls: list[tuple[int, int]] = []
    read_market1501(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert calls[-1] == (203, 203)
    assert len(calls) > 1


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (".", r"nor query .*did you mean .*/Market-1501-v15\.09\.15\?$"),
        ("outer", r"did you mean .*/outer/Market-1501-v15\.09\.15\?$"),
        ("outer/Market-1501-v15.09.15/query", r"did you mean .*/Market-1501-v15\.09\.15\?$"),
        ("elsewhere", r"needs the folders bounding_box_train, query, bounding_box_test$"),
        ("missing", r"missing: no such folder"),
        ("set.zip", r"set\.zip: a file, not a folder; unpack it"),
    ],
)
def test_a_wrong_folder_is_told_the_right_one(where: str, message: str, tmp_path: Path) -> None:
    make_dataset(tmp_path / "outer/Market-1501-v15.09.15")
    (tmp_path / "elsewhere/query").mkdir(parents=True)
    (tmp_path / "set.zip").write_bytes(b"PK")
    with pytest.raises(DatasetError, match=message):
        read_market1501(tmp_path / where)


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    make_dataset(tmp_path)
    (tmp_path / "query/0003_c2s1_000451_00.jpg").unlink()
    with pytest.raises(DatasetError, match=r"query: no image in it"):
        read_market1501(tmp_path)
    (tmp_path / "query").rmdir()
    with pytest.raises(DatasetError, match=r"no query in it"):
        read_market1501(tmp_path)


def test_a_split_without_a_usable_image_says_what_it_has(tmp_path: Path) -> None:
    make_dataset(tmp_path, query=["a.jpg"])
    (tmp_path / "query/0003_c2s1_000451_00.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"1 zero_byte, 1 bad_name\); the first is .*0003_c2"):
        read_market1501(tmp_path)


def test_counts_of_splits(tmp_path: Path) -> None:
    names = ["-1_c1s1_000001_00.jpg", "-1_c4s1_000001_00.jpg", "0000_c1s1_000001_00.jpg"]
    counts = count_splits(read_market1501(make_dataset(tmp_path, bounding_box_test=names)))
    assert counts == {
        "train": SplitCounts(1, 1, 1, 0, 0),
        "query": SplitCounts(1, 1, 1, 0, 0),
        "gallery": SplitCounts(4, 1, 3, 2, 1),
    }


def test_published_counts_add_up_to_the_papers() -> None:
    assert PUBLISHED["train"].images + PUBLISHED["gallery"].images == 32_668
    gallery = PUBLISHED["gallery"]
    assert gallery.images - gallery.junk - gallery.distractors == 13_115


def test_published_is_known_by_its_numbers_even_with_damaged_files(tmp_path: Path) -> None:
    small = read_market1501(make_dataset(tmp_path))
    first = {split: small.split(split)[0] for split in FOLDERS}
    records = [first[split] for split, counts in PUBLISHED.items() for _ in range(counts.images)]
    whole = replace(small, records=tuple(records))
    damaged = RejectedImage(tmp_path / "x.jpg", "gallery", "truncated", "")
    assert is_published(whole)
    assert is_published(replace(whole, records=tuple(records[:-1]), rejected=(damaged,)))
    assert not is_published(replace(whole, records=tuple(records[:-1])))
    assert not is_published(replace(whole, layout="other"))
    assert not is_published(small)


def test_an_unknown_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="known are auto, market1501"):
        read_dataset(make_dataset(tmp_path), layout="market-1501")
    assert len(read_dataset(tmp_path).records) == 3


def test_the_real_development_set(tmp_path: Path, real_data: Callable[[str], Path]) -> None:
    with ZipFile(real_data("market1501-dev.zip")) as archive:
        archive.extractall(tmp_path)
    (root,) = tmp_path.iterdir()
    dataset = read_dataset(root, on_error="stop")
    assert count_splits(dataset) == {
        "train": SplitCounts(7_528, 350, 6, 0, 0),
        "query": SplitCounts(666, 150, 6, 0, 0),
        "gallery": SplitCounts(4_259, 150, 6, 700, 900),
    }
    assert (dataset.rejected, dataset.ignored) == ((), 2)
    doubled = Counter(record.split for record in dataset.records if ".jpg.jpg" in record.name)
    assert doubled == {"train": 19}
    assert {(record.width, record.height) for record in dataset.records} == {(64, 128)}
