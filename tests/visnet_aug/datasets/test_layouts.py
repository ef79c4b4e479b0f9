"""Each public layout with its oddities, in small drawn sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from visnet_aug.datasets import PUBLISHED, RECOGNISED, read_dataset
from visnet_aug.datasets.layout import FOLDERS, LIMITS, Entry, Label, Listing, below
from visnet_aug.datasets.market1501 import MARKET1501
from visnet_aug.datasets.reading import read_layout
from visnet_aug.datasets.recognition import LayoutOptions
from visnet_aug.datasets.record import Dataset, Split
from visnet_aug.errors import DatasetError


@dataclass(frozen=True)
class Known:
    """A layout's small set, and what reading it gives.

    Attributes:
        files: What is there; ``.txt`` files hold their text, folders of litter end in ``/``.
        records: By path: name in the output, identity, camera, sequence, frame.
        rejected: By path: the reason.
    """

    files: Mapping[str, str]
    records: Mapping[str, tuple[str, int, int, int | None, int | None]]
    rejected: Mapping[str, str]


def names(*paths: str) -> dict[str, str]:
    return dict.fromkeys(paths, "")


MSMT17_LISTS = {
    "list_train.txt": (
        "0000/0000_000_01_0303morning_0008_0.jpg 0\n"
        "0000/0000_001_15_0303morning_0008_0_ex.jpg 0\n"
        "0001/0001_000_03_0113noon_0021_1.jpg 1\n"
        "0001/0001_009_03_0113noon_0021_1.jpg 1\n"
    ),
    "list_val.txt": "0000/0000_002_02_0303morning_0010_1.jpg 0\n",
    "list_query.txt": "0000/0000_000_01_0302afternoon_0511_0.jpg 0\n",
    "list_gallery.txt": "0000/0000_001_02_0302afternoon_0512_0.jpg 0\r\n"
    "0001/0001_000_02_0302afternoon_0512_0.jpg 1\r\n",
}


def msmt17(train: str, test: str) -> Known:
    return Known(
        files={
            **MSMT17_LISTS,
            **names(
                f"{train}/0000/0000_000_01_0303morning_0008_0.jpg",
                f"{train}/0000/0000_001_15_0303morning_0008_0_ex.jpg",
                f"{train}/0000/0000_002_02_0303morning_0010_1.jpg",
                f"{train}/0000/._0000_000_01_0303morning_0008_0.jpg",
                f"{train}/0000/0000_003_02_in_no_list_0.jpg",
                f"{train}/0001/0001_000_03_0113noon_0021_1.jpg",
                f"{test}/0000/0000_000_01_0302afternoon_0511_0.jpg",
                f"{test}/0000/0000_001_02_0302afternoon_0512_0.jpg",
                f"{test}/0001/0001_000_02_0302afternoon_0512_0.jpg",
            ),
        },
        records={
            f"{train}/0000/0000_000_01_0303morning_0008_0.jpg": (
                "0001_c1s1_000000_00.jpg", 1, 1, None, None),
            f"{train}/0000/0000_001_15_0303morning_0008_0_ex.jpg": (
                "0001_c15s1_000000_01.jpg", 1, 15, None, None),
            f"{train}/0000/0000_002_02_0303morning_0010_1.jpg": (
                "0001_c2s1_000000_02.jpg", 1, 2, None, None),
            f"{train}/0001/0001_000_03_0113noon_0021_1.jpg": (
                "0002_c3s1_000000_00.jpg", 2, 3, None, None),
            f"{test}/0000/0000_000_01_0302afternoon_0511_0.jpg": (
                "0003_c1s1_000000_00.jpg", 3, 1, None, None),
            f"{test}/0000/0000_001_02_0302afternoon_0512_0.jpg": (
                "0003_c2s1_000000_01.jpg", 3, 2, None, None),
            f"{test}/0001/0001_000_02_0302afternoon_0512_0.jpg": (
                "0004_c2s1_000000_00.jpg", 4, 2, None, None),
        },
        rejected={f"{train}/0001/0001_009_03_0113noon_0021_1.jpg": "unreadable"},
    )  # fmt: skip


SETS: Mapping[str, Known] = {
    "dukemtmcreid": Known(
        files=names(
            "bounding_box_train/0002_c1_f0044158.jpg",
            "bounding_box_train/0002_c8_f0044158.jpg.jpg",
            "bounding_box_train/0002_c1_f0044158.png",
            "bounding_box_train/0002_c1s1_000451_03.jpg",
            "query/0005_c2_f0046985.jpg",
            "query/Thumbs.db",
            "bounding_box_test/0005_c5_f0051241.jpg",
            "bounding_box_test/0006_c2_f0046985.jpg",
        ),
        records={
            "bounding_box_train/0002_c1_f0044158.jpg": (
                "0002_c1s1_044158_00.jpg", 2, 1, None, 44158),
            "bounding_box_train/0002_c8_f0044158.jpg.jpg": (
                "0002_c8s1_044158_00.jpg", 2, 8, None, 44158),
            "bounding_box_train/0002_c1_f0044158.png": (
                "0002_c1s1_044158_01.png", 2, 1, None, 44158),
            "query/0005_c2_f0046985.jpg": ("0005_c2s1_046985_00.jpg", 5, 2, None, 46985),
            "bounding_box_test/0005_c5_f0051241.jpg": (
                "0005_c5s1_051241_00.jpg", 5, 5, None, 51241),
            "bounding_box_test/0006_c2_f0046985.jpg": (
                "0006_c2s1_046985_00.jpg", 6, 2, None, 46985),
        },
        rejected={
            "bounding_box_train/0002_c1s1_000451_03.jpg": "bad_name",
        },
    ),
    "cuhk03-np": Known(
        files=names(
            "bounding_box_train/0001_c1_1.png",
            "bounding_box_train/0001_c2_6.png",
            "bounding_box_train/0001_c2_10.png",
            "query/0003_c1_22.png",
            "bounding_box_test/0003_c1_21.png",
            "bounding_box_test/0003_c2_27.png",
        ),
        records={
            "bounding_box_train/0001_c1_1.png": ("0001_c1s1_000000_01.png", 1, 1, None, None),
            "bounding_box_train/0001_c2_6.png": ("0001_c2s1_000000_06.png", 1, 2, None, None),
            "bounding_box_train/0001_c2_10.png": ("0001_c2s1_000000_10.png", 1, 2, None, None),
            "query/0003_c1_22.png": ("0003_c1s1_000000_22.png", 3, 1, None, None),
            "bounding_box_test/0003_c1_21.png": ("0003_c1s1_000000_21.png", 3, 1, None, None),
            "bounding_box_test/0003_c2_27.png": ("0003_c2s1_000000_27.png", 3, 2, None, None),
        },
        rejected={},
    ),
    "veri776": Known(
        files=names(
            "image_train/0001_c001_00016450_0.jpg",
            "image_train/0001_c020_00016460_0.jpg",
            "image_query/0002_c002_00030600_0.jpg",
            "image_test/0002_c002_00030600_0.jpg",
            "image_test/0002_c004_00084250_0.jpg",
            "image_test/0002_c004_00084250_1.jpg",
        )
        | {"name_train.txt": "0001_c001_00016450_0.jpg\n", "jk_index.txt": "1 2\n"},
        records={
            "image_train/0001_c001_00016450_0.jpg": (
                "0001_c1s1_016450_00.jpg", 1, 1, None, 16450),
            "image_train/0001_c020_00016460_0.jpg": (
                "0001_c20s1_016460_00.jpg", 1, 20, None, 16460),
            "image_query/0002_c002_00030600_0.jpg": (
                "0002_c2s1_030600_00.jpg", 2, 2, None, 30600),
            "image_test/0002_c002_00030600_0.jpg": (
                "0002_c2s1_030600_00.jpg", 2, 2, None, 30600),
            "image_test/0002_c004_00084250_0.jpg": (
                "0002_c4s1_084250_00.jpg", 2, 4, None, 84250),
            "image_test/0002_c004_00084250_1.jpg": (
                "0002_c4s1_084250_01.jpg", 2, 4, None, 84250),
        },
        rejected={},
    ),
    "msmt17": msmt17("train", "test"),
    "msmt17 V2": msmt17("mask_train_v2", "mask_test_v2"),
}  # fmt: skip

SPLITS: Mapping[str, Split] = {
    "bounding_box_train": "train", "image_train": "train", "train": "train",
    "mask_train_v2": "train", "query": "query", "image_query": "query",
}  # fmt: skip


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write a set: images under names of images, texts elsewhere."""
    for number, (name, text) in enumerate(files.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".jpg", ".png"):
            Image.new("RGB", (8, 16), (number, 0, 0)).save(path)
        else:
            path.write_bytes(text.encode())
    return root


def told(dataset: Dataset) -> dict[str, tuple[str, int, int, int | None, int | None]]:
    return {
        dataset.origin(r): (r.name, r.pid, r.camid, r.sequence, r.frame) for r in dataset.records
    }


@pytest.mark.parametrize("layout", SETS)
def test_a_layout_is_recognised_and_read(layout: str, tmp_path: Path) -> None:
    known = SETS[layout]
    name = layout.removesuffix(" V2")
    dataset = read_dataset(write(tmp_path, known.files))
    assert (dataset.layout, dataset.folders) == (name, FOLDERS)
    assert dataset.recognised
    assert told(dataset) == known.records
    assert {dataset.origin(image): image.reason for image in dataset.rejected} == known.rejected
    for record in dataset.records:
        assert record.stem + record.path.suffix == record.name
        assert MARKET1501.pattern.fullmatch(record.name)
    keys = [(list(FOLDERS).index(r.split), r.name) for r in dataset.records]
    assert keys == sorted(set(keys))
    explicit = read_dataset(tmp_path, layout=name)
    assert explicit.recognised == ""
    assert (explicit.records, explicit.notes) == (dataset.records, dataset.notes)


def test_every_layout_that_is_known_can_be_recognised() -> None:
    assert tuple(layout.name for layout in LayoutOptions().recognisable) == RECOGNISED
    assert {name.removesuffix(" V2") for name in SETS} == set(PUBLISHED) - {"market1501", "mars"}


def test_people_of_msmt17_are_told_apart_and_never_nobody(tmp_path: Path) -> None:
    """Identity 0 is somebody in training and somebody else in test."""
    dataset = read_dataset(write(tmp_path, SETS["msmt17"].files))
    trained = {record.pid for record in dataset.split("train")}
    tested = {record.pid for record in dataset.records if record.split != "train"}
    assert (trained, tested) == ({1, 2}, {3, 4})
    shift, val = dataset.notes
    assert "training 0000 is 0001, test 0000 is 0003" in shift
    assert "1 images of list_val.txt are training images" in val


def test_msmt17_without_its_val_list_is_fine(tmp_path: Path) -> None:
    write(tmp_path, SETS["msmt17"].files)
    (tmp_path / "list_val.txt").unlink()
    dataset = read_dataset(tmp_path)
    assert len(dataset.split("train")) == 3
    assert len(dataset.notes) == 1


def test_msmt17s_lists_may_have_no_suffix(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path / "a", SETS["msmt17"].files))
    write(tmp_path / "b", SETS["msmt17"].files)
    for name in MSMT17_LISTS:
        (tmp_path / "b" / name).rename(tmp_path / "b" / name.removesuffix(".txt"))
    assert told(read_dataset(tmp_path / "b")) == told(dataset)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0000/0000_000_01_0303morning_0008_0.jpg", r"list_query\.txt:2: .* is not <path below"),
        ("../x/0000_000_01_0303morning_0008_0.jpg 0", r"list_query\.txt:2: "),
        ("/etc/0000_000_01_0303morning_0008_0.jpg 0", r"list_query\.txt:2: "),
        ("0000/0000_000_01_0303morning_0008_0.jpg zero", r"list_query\.txt:2: "),
        ("0000/0000_000_01_0303morning_0008_0.jpg -1", r"list_query\.txt:2: "),
    ],
)
def test_a_damaged_list_is_told_with_its_line(line: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, SETS["msmt17"].files)
    with (tmp_path / "list_query.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DatasetError, match=message):
        read_dataset(tmp_path)


def test_an_image_in_two_lists_of_a_split_is_one_image(tmp_path: Path) -> None:
    write(tmp_path, SETS["msmt17"].files)
    with (tmp_path / "list_val.txt").open("a") as file:
        file.write("0000/0000_000_01_0303morning_0008_0.jpg 0\n")
    dataset = read_dataset(tmp_path)
    twice = [image for image in dataset.rejected if image.reason == "duplicate_stem"]
    assert [dataset.origin(image) for image in twice] == [
        "train/0000/0000_000_01_0303morning_0008_0.jpg"
    ]


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        (["list_query.txt"], r"no list_query\.txt in it; MSMT17's layout wants"),
        (["test"], r"no folder of its images in it"),
    ],
)
def test_what_msmt17_misses_is_named(remove: Sequence[str], message: str, tmp_path: Path) -> None:
    write(tmp_path, SETS["msmt17"].files)
    for name in remove:
        (tmp_path / name).rename(tmp_path / f"not-{name}")
    with pytest.raises(DatasetError, match=message):
        read_dataset(tmp_path, layout="msmt17")


def test_a_pair_of_cuhk03_sets_is_asked_about(tmp_path: Path) -> None:
    for boxes in ("detected", "labeled"):
        write(tmp_path / boxes, SETS["cuhk03-np"].files)
    with pytest.raises(DatasetError, match=r"give --src .*/detected or .*/labeled$"):
        read_dataset(tmp_path)
    assert read_dataset(tmp_path / "detected").layout == "cuhk03-np"


def test_what_is_left_out_of_market1501_is_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        names(
            "bounding_box_train/0002_c1s1_000451_03.jpg",
            "bounding_box_train/0002_c0s1_000451_03.jpg",
            "query/0003_c2s1_000451_00.jpg",
            "bounding_box_test/0003_c3s1_000451_01.jpg",
            "images/0000_c1s1_000001_00.jpg",
            "gt_bbox/0003_c3s1_000451_01.jpg",
        ),
    )
    dataset = read_dataset(tmp_path)
    assert (dataset.layout, len(dataset.records)) == ("market1501", 4)
    assert [(r.camid, r.camera) for r in dataset.split("train")] == [(0, ""), (1, "1")]
    distractors, by_hand, unknown = dataset.notes
    assert distractors.startswith("images/ (500k distractors) is left out")
    assert by_hand == "gt_bbox/ (boxes drawn by hand) is left out"
    assert unknown == "the camera of 1 of 4 images is unknown (c0)"


def test_a_set_that_was_unpacked_a_folder_too_deep_says_where(tmp_path: Path) -> None:
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        write(tmp_path, names(f"{folder}/{folder}/0002_c1s1_000451_03.jpg"))
    with pytest.raises(DatasetError, match=r"no usable image in train \(1 subfolder, such as "):
        read_dataset(tmp_path, layout="market1501")


@pytest.mark.parametrize("name", ["cuhk-03.mat", "cuhk03_new_protocol_config_labeled.mat"])
def test_cuhk03_as_matlab_has_it_is_told_what_to_do(name: str, tmp_path: Path) -> None:
    write(tmp_path, {name: "MATLAB 5.0"})
    with pytest.raises(DatasetError, match=r"mat: CUHK03 as MATLAB's file; give CUHK03-NP"):
        read_dataset(tmp_path)


class TestNames:
    """Names in the output, whatever a layout says."""

    @staticmethod
    def read(tmp_path: Path, labels: Sequence[tuple[str, Label]]) -> Dataset:
        """Read training images under the given paths and labels."""
        write(tmp_path, names(*(path for path, _ in labels)))

        class Labelled:
            name = "labelled"

            def list_files(self, root: Path) -> Listing:
                entries = [Entry(path, "train", path, label) for path, label in labels]
                return Listing(entries, 0, {"train": root}, required=("train",))

        return read_layout(tmp_path, Labelled())

    @pytest.mark.parametrize("turn", [list, lambda labels: labels[::-1]])
    def test_they_depend_on_paths_not_on_the_order_of_listing(
        self, turn: Callable[[list[tuple[str, Label]]], list[tuple[str, Label]]], tmp_path: Path
    ) -> None:
        labels = [("b.jpg", Label(7, 2)), ("a.png", Label(7, 2)), ("c.jpg", Label(7, 2, box=1))]
        assert told(self.read(tmp_path, turn(labels))) == {
            "a.png": ("0007_c2s1_000000_00.png", 7, 2, None, None),
            "b.jpg": ("0007_c2s1_000000_01.jpg", 7, 2, None, None),
            "c.jpg": ("0007_c2s1_000000_02.jpg", 7, 2, None, None),
        }

    @pytest.mark.parametrize("high", [0, 1])
    def test_the_limits_are_those_of_the_form(self, high: int, tmp_path: Path) -> None:
        numbers = {kind: limits[high] for kind, limits in LIMITS.items()}
        label = Label(**{**numbers, "pid": max(numbers["pid"], 1)})
        (record,) = self.read(tmp_path, [("a.jpg", label)]).records
        assert MARKET1501.pattern.fullmatch(record.name)

    @pytest.mark.parametrize(
        "name", ["a\\b.jpg", "a\nb.jpg", "C:a.jpg", b"\xff.jpg".decode(errors="surrogateescape")]
    )
    def test_paths_that_no_manifest_can_hold_are_rejected(self, name: str, tmp_path: Path) -> None:
        dataset = self.read(tmp_path, [("a.jpg", Label(1, 1)), (name, Label(1, 2))])
        assert [image.reason for image in dataset.rejected] == ["bad_name"]


@given(st.text(st.sampled_from("ab./"), max_size=12))
def test_what_is_below_a_folder_never_leaves_it(path: str) -> None:
    inside = below(path)
    root = Path("/root")
    if inside is None:
        assert path.startswith("/") or ".." in path.split("/") or not path.strip("./")
    else:
        assert root / inside == root / path
        assert "//" not in inside
