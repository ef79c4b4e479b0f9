"""Tracklets: MARS, sequences of the MOT Challenge, crops that BoxMOT saved; and their thinning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from visnet_aug.datasets import read_dataset
from visnet_aug.datasets.record import Region
from visnet_aug.datasets.sources import read_again
from visnet_aug.errors import DatasetError, RecipeError

PICTURE = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)


def picture(path: Path, seed: int, size: tuple[int, int] = (8, 16)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8))
    small.resize(size, Image.Resampling.BICUBIC).save(path)


class TestMars:
    """MARS."""

    TRAIN = ("0001C1T0001F001", "0001C1T0001F002", "0001C2T0003F001")
    TEST = ("0002C1T0001F001", "0002C1T0001F002", "0002C3T0001F001", "0000C1T0001F001",
            "00-1C1T0001F001")  # fmt: skip

    def write(self, root: Path) -> Path:
        for folder, names in (("bbox_train", self.TRAIN), ("bbox_test", self.TEST)):
            for seed, name in enumerate(names):
                picture(root / folder / name[:4] / f"{name}.jpg", seed)
        return root

    def write_info(self, root: Path, queries: Sequence[int] = (1,)) -> None:
        """Tracks are counted from 1, and so are the names that each begins and ends with."""
        (root / "info").mkdir()
        (root / "info/test_name.txt").write_text("".join(f"{name}.jpg\n" for name in self.TEST))
        tracks = np.array([[1, 2, 2, 1], [3, 3, 2, 3], [4, 4, 0, 1], [5, 5, -1, 1]], np.int32)
        savemat(root / "info/tracks_test_info.mat", {"track_test_info": tracks})
        savemat(root / "info/query_IDX.mat", {"query_IDX": np.array([queries], np.uint16)})

    def test_tracklets_keep_their_numbers(self, tmp_path: Path) -> None:
        self.write_info(self.write(tmp_path))
        dataset = read_dataset(tmp_path)
        assert dataset.layout == "mars"
        assert [
            (r.split, r.name, r.pid, r.camid, r.tracklet, r.frame) for r in dataset.records
        ] == [
            ("train", "0001_c1s1_000001_00.jpg", 1, 1, 1, 1),
            ("train", "0001_c1s1_000002_00.jpg", 1, 1, 1, 2),
            ("train", "0001_c2s3_000001_00.jpg", 1, 2, 3, 1),
            ("query", "0002_c1s1_000001_00.jpg", 2, 1, 1, 1),
            ("query", "0002_c1s1_000002_00.jpg", 2, 1, 1, 2),
            ("gallery", "-1_c1s1_000001_00.jpg", -1, 1, 1, 1),
            ("gallery", "0000_c1s1_000001_00.jpg", 0, 1, 1, 1),
            ("gallery", "0002_c3s1_000001_00.jpg", 2, 3, 1, 1),
        ]

    def test_without_info_queries_can_be_drawn(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        with pytest.raises(DatasetError, match=r"no image in query; .* --split-query N"):
            read_dataset(tmp_path)
        dataset = read_dataset(tmp_path, split_query=1)
        assert [record.pid for record in dataset.split("query")] == [2]
        assert "no info/test_name.txt: all of bbox_test is gallery" in dataset.notes[0]

    @pytest.mark.parametrize("queries", [(0,), (9,)])
    def test_queries_that_are_no_tracks_are_refused(
        self, queries: Sequence[int], tmp_path: Path
    ) -> None:
        self.write_info(self.write(tmp_path), queries)
        with pytest.raises(DatasetError, match=r"query_IDX\.mat: query \d is no track"):
            read_dataset(tmp_path)

    def test_a_damaged_matrix_is_refused(self, tmp_path: Path) -> None:
        self.write_info(self.write(tmp_path))
        (tmp_path / "info/query_IDX.mat").write_bytes(b"MATLAB 5.0")
        with pytest.raises(DatasetError, match=r"query_IDX\.mat: no query_IDX of 1 columns"):
            read_dataset(tmp_path)

    def test_other_names_are_rejected(self, tmp_path: Path) -> None:
        self.write_info(self.write(tmp_path))
        picture(tmp_path / "bbox_train/0001/x.jpg", 9)
        assert [image.reason for image in read_dataset(tmp_path).rejected] == ["bad_name"]

    def test_a_missing_folder_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="no bbox_train nor bbox_test in it; MARS has"):
            read_dataset(tmp_path, layout="mars")


SEQUENCE = """\
1,1,11,21,40,80,1,1,1
2,1,13,21,40,80,1,1,0.9
1,2,-5,11,30,70,1,1,0.8
1,3,60,21,40,80,1,1,0.2
1,4,60,21,40,80,0,1,1
1,5,60,21,40,80,1,3,1
1,6,60,21,20,30,1,1,1
3,1,15,21,40,80,1,1,1
"""


class TestMot:
    """Sequences of the MOT Challenge."""

    @staticmethod
    def write(folder: Path, text: str = SEQUENCE, frames: int = 2, suffix: str = ".png") -> Path:
        for number in range(1, frames + 1):
            picture(folder / f"img1/{number:06}{suffix}", number, (120, 110))
        (folder / "gt").mkdir(parents=True)
        (folder / "gt/gt.txt").write_text(text)
        return folder

    def test_boxes_are_cut(self, tmp_path: Path) -> None:
        dataset = read_dataset(self.write(tmp_path / "MOT17-02"))
        assert (dataset.layout, {record.split for record in dataset.records}) == ("mot", {"train"})
        assert [
            (r.name, r.identity, r.camera, r.tracklet, r.frame, r.region) for r in dataset.records
        ] == [
            ("0001_c1s1_000001_00.png", "1", "MOT17-02", 1, 1, Region(10, 20, 50, 100)),
            ("0001_c1s1_000002_00.png", "1", "MOT17-02", 1, 2, Region(12, 20, 52, 100)),
            ("0002_c1s2_000001_00.png", "2", "MOT17-02", 2, 1, Region(0, 10, 24, 80)),
        ]
        assert dataset.notes == (
            "1 boxes left out: less than 0.5 of the person visible",
            "2 boxes left out: not considered, or no pedestrian",
            "1 boxes left out: lower than 64 pixels",
        )
        (missing,) = dataset.rejected
        assert missing.detail.startswith("no frame 3 in img1/")

    def test_pixels_are_the_frames(self, tmp_path: Path) -> None:
        record = read_dataset(self.write(tmp_path / "s")).records[0]
        assert not record.is_file
        with Image.open(record.path) as frame:
            assert record.region is not None
            assert (record.width, record.height) == (40, 80)
            expected = np.asarray(frame.crop(record.region))
        cut = tmp_path / "cut.png"
        cut.write_bytes(read_again(record))
        assert np.array_equal(np.asarray(Image.open(cut)), expected)

    def test_limits_and_margin_are_a_persons(self, tmp_path: Path) -> None:
        self.write(tmp_path / "s")
        dataset = read_dataset(tmp_path / "s", min_height=20, min_visibility=0.1, margin=0.1)
        regions = {(r.identity, r.frame): r.region for r in dataset.records}
        assert sorted(regions) == [("1", 1), ("1", 2), ("2", 1), ("3", 1), ("6", 1)]
        assert regions["1", 1] == Region(6, 12, 54, 108)
        assert regions["6", 1] == Region(57, 17, 81, 53)

    def test_every_sequence_has_its_own_people_and_is_a_camera(self, tmp_path: Path) -> None:
        for name in ("MOT17-02-FRCNN", "MOT17-02-DPM", "MOT17-04-DPM"):
            self.write(tmp_path / "train" / name)
        picture(tmp_path / "test/MOT17-01/img1/000001.png", 0)
        dataset = read_dataset(tmp_path)
        assert {(r.identity, r.pid) for r in dataset.records} == {
            ("MOT17-02-DPM/1", 1), ("MOT17-02-DPM/2", 2),
            ("MOT17-04-DPM/1", 3), ("MOT17-04-DPM/2", 4),
        }  # fmt: skip
        assert {record.camera for record in dataset.records} == {"MOT17-02-DPM", "MOT17-04-DPM"}
        assert "1 sequences have the frames of others, for another detector" in dataset.notes[-1]

    def test_ten_columns_have_no_class(self, tmp_path: Path) -> None:
        text = "1,1,11,21,40,80,1,-1,-1,-1\n1,2,11.5,21.25,40,80,0.4,3,2,1\n"
        dataset = read_dataset(self.write(tmp_path / "s", text, suffix=".jpg"))
        assert [r.region for r in dataset.records] == [
            Region(10, 20, 50, 100), Region(10, 20, 51, 101)
        ]  # fmt: skip
        assert all(read_again(record).startswith(b"\xff\xd8") for record in dataset.records)

    def test_a_box_outside_the_frame_is_rejected(self, tmp_path: Path) -> None:
        text = "1,1,11,21,40,80,1,1,1\n1,2,500,21,40,80,1,1,1\n"
        dataset = read_dataset(self.write(tmp_path / "s", text))
        assert [image.reason for image in dataset.rejected] == ["empty_box"]

    @pytest.mark.parametrize(
        "line",
        ["1,1,11,21,40,80", "1,1,11,21,0,80,1,1,1", "1,1,x,21,40,80,1,1,1", "-1,1,1,1,9,9,1,1,1",
         "1,1.5,1,1,9,9,1,1,1", "1,1,nan,21,40,80,1,1,1", "1,1,1e30,21,40,80,1,1,1"],
    )  # fmt: skip
    def test_a_line_that_is_no_box_is_told(self, line: str, tmp_path: Path) -> None:
        self.write(tmp_path / "s", f"1,1,11,21,40,80,1,1,1\n\n{line}\n")
        with pytest.raises(DatasetError, match=r"gt\.txt:3: .* is not frame, id"):
            read_dataset(tmp_path / "s")

    def test_a_frame_that_changes_is_noticed(self, tmp_path: Path) -> None:
        record = read_dataset(self.write(tmp_path / "s")).records[0]
        picture(record.path, 77, (120, 110))
        with pytest.raises(DatasetError, match="changed since the dataset was read"):
            read_again(record)
        picture(record.path, 77, (30, 30))
        with pytest.raises(DatasetError, match="changed since the dataset was read"):
            read_again(record)
        record.path.write_bytes(b"")
        with pytest.raises(DatasetError, match="changed since the dataset was read"):
            read_again(record)

    def test_no_sequence_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="no sequence in it; MOT's layout wants"):
            read_dataset(tmp_path, layout="mot")

    @pytest.mark.parametrize("options", [{"min_height": 0}, {"min_visibility": 2}, {"margin": -1}])
    def test_wrong_limits_are_told(self, options: dict[str, float], tmp_path: Path) -> None:
        with pytest.raises(RecipeError, match="min_height from 1"):
            read_dataset(tmp_path, layout="mot", **options)  # type: ignore[arg-type]


class TestBoxMot:
    """Crops that a tracker saved."""

    def test_one_video(self, tmp_path: Path) -> None:
        for seed, path in enumerate(("0/3/1.jpg", "0/3/12.jpg", "0/0/2.jpg", "2/9/1.jpg")):
            picture(tmp_path / "exp/crops" / path, seed)
        dataset = read_dataset(tmp_path / "exp")
        assert dataset.layout == "boxmot"
        assert [(r.name, r.identity, r.camid, r.tracklet, r.frame) for r in dataset.records] == [
            ("0001_c0s0_000002_00.jpg", "0", 0, 0, 2),
            ("0003_c0s3_000001_00.jpg", "3", 0, 3, 1),
            ("0003_c0s3_000012_00.jpg", "3", 0, 3, 12),
        ]
        assert dataset.notes == ("1 crops of other classes are left out",)

    def test_several_videos_are_cameras_with_people_of_their_own(self, tmp_path: Path) -> None:
        for seed, path in enumerate(("a/person/3/a.jpg", "a/person/3/a2.jpg", "b/person/3/b.jpg")):
            picture(tmp_path / "crops" / path, seed)
        dataset = read_dataset(tmp_path / "crops")
        assert [(r.identity, r.pid, r.camera, r.frame) for r in dataset.records] == [
            ("a/3", 1, "a", None), ("a/3", 1, "a", 2), ("b/3", 2, "b", None)
        ]  # fmt: skip

    def test_no_crop_of_a_person_is_told(self, tmp_path: Path) -> None:
        picture(tmp_path / "crops/car/1/1.jpg", 0)
        with pytest.raises(DatasetError, match="no crop of a person in it"):
            read_dataset(tmp_path, layout="boxmot")


class TestThinning:
    """Near-identical frames."""

    @staticmethod
    def write(root: Path, seeds: Sequence[int]) -> Path:
        for frame, seed in enumerate(seeds, 1):
            picture(root / f"crops/0/3/{frame}.jpg", seed)
        return root

    def test_every_third_frame(self, tmp_path: Path) -> None:
        dataset = read_dataset(self.write(tmp_path, range(8)), every=3)
        assert [record.frame for record in dataset.records] == [1, 4, 7]
        assert dataset.thinned == 5

    def test_frames_that_look_alike(self, tmp_path: Path) -> None:
        dataset = read_dataset(self.write(tmp_path, [0, 0, 0, 1, 1, 0]), min_distance=6)
        assert [record.frame for record in dataset.records] == [1, 4, 6]
        assert (dataset.thinned, dataset.rejected) == (3, ())

    def test_images_of_no_tracklet_are_kept(self, tmp_path: Path) -> None:
        for name in ("anna/1.jpg", "anna/2.jpg", "bo/1.jpg"):
            picture(tmp_path / name, 0)
        assert len(read_dataset(tmp_path, every=5, min_distance=9).records) == 3

    @pytest.mark.parametrize("options", [{"every": 0}, {"min_distance": -1}, {"min_distance": 65}])
    def test_wrong_values_are_told(self, options: dict[str, int], tmp_path: Path) -> None:
        with pytest.raises(RecipeError, match="give"):
            read_dataset(tmp_path, **options)  # type: ignore[arg-type]
