"""Images out of people's folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from visnet_aug.errors import DatasetError
from visnet_model.data.table import ImageTable
from visnet_model.export.images import check_images, find_images, join_tables

Jpeg = Callable[..., bytes]


def names(table: ImageTable) -> list[str]:
    return [str(name) for name in table.paths]


def silent(done: int, total: int) -> None:
    pass


def test_folders_are_walked_and_names_sorted(tmp_path: Path, jpeg: Jpeg) -> None:
    inside = ["b/2.jpg", "b/10.JPEG", "a.png", "b/c/x.webp", "Z.jpg.jpg"]
    outside = ["b/Thumbs.db", "notes.txt", ".hidden.jpg", ".git/x.jpg", "._a.jpg"]
    for name in inside + outside:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(jpeg(0))
    found = find_images([tmp_path])
    assert names(found.table) == sorted(f"{tmp_path}/{name}" for name in inside)
    assert found.table.path(0).read_bytes() == jpeg(0)
    assert (found.ignored, found.repeated, found.unusable) == (4, 0, ())


def test_given_files_are_meant_whatever_their_name(tmp_path: Path, jpeg: Jpeg) -> None:
    odd = tmp_path / "photo"
    odd.write_bytes(jpeg(0))
    assert names(find_images([odd]).table) == [str(odd)]


def test_what_is_given_twice_is_there_once(
    tmp_path: Path, jpeg: Jpeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/1.jpg", "a/2.jpg"):
        (tmp_path / name).write_bytes(jpeg(0))
    monkeypatch.chdir(tmp_path)
    given = [Path("a/2.jpg"), Path("a"), tmp_path / "a" / "1.jpg", Path("a/../a/2.jpg")]
    found = find_images(given)
    assert names(found.table) == ["a/1.jpg", "a/2.jpg"]  # as first given
    assert found.repeated == 3
    assert names(find_images(reversed(given)).table) == [f"{tmp_path}/a/1.jpg", "a/../a/2.jpg"]


def test_links_to_files_count_and_links_to_folders_are_named(tmp_path: Path, jpeg: Jpeg) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").write_bytes(jpeg(0))
    (tmp_path / "a" / "2.jpg").symlink_to("1.jpg")
    (tmp_path / "a" / "3.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    found = find_images([tmp_path / "b"])
    assert names(found.table) == [f"{tmp_path}/b/{i}.jpg" for i in (1, 2, 3)]
    (round_,) = found.unusable
    assert (
        str(round_)
        == f"{tmp_path}/b/round: a link to a folder, not followed; give it as an argument"
    )
    usable, unusable = check_images(found.table, silent)
    assert usable.tolist() == [True, True, False]
    assert "3.jpg: unreadable: No such file or directory; " in str(unusable[0])


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda folder: folder / "nowhere", "nowhere: no such file or folder"),
        (lambda folder: folder, "no images in this folder \\(1 other files\\)"),
    ],
)
def test_nothing_to_embed_is_an_error(
    tmp_path: Path, make: Callable[[Path], Path], error: str
) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DatasetError, match=error):
        find_images([make(tmp_path)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list any folder")
def test_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0)
    (unusable,) = find_images([tmp_path]).unusable
    assert str(unusable) == f"{tmp_path}/locked: cannot be listed (Permission denied)"


def test_odd_images_are_named_not_converted(tmp_path: Path, jpeg: Jpeg) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (32, 16, 4), np.uint8)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    Image.fromarray(colours[..., :3]).save(tmp_path / "fine.png")
    Image.fromarray(colours[..., 0]).save(tmp_path / "greyscale.jpg")
    Image.fromarray(colours).save(tmp_path / "alpha.png")
    Image.fromarray(colours, "CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray(colours[..., :3]).save(tmp_path / "rotated.jpg", exif=rotated)
    Image.fromarray(colours[..., :3]).save(tmp_path / "other_format.webp")
    Image.fromarray(colours[..., :3]).quantize(8).save(tmp_path / "palette.png")
    Image.new("RGB", (20_000, 20_000)).save(tmp_path / "too_large.png")  # 1.2 GB when decoded
    sixteen = np.arange(32 * 16 * 3, dtype=np.uint16).reshape(32, 16, 3)
    assert cv2.imwrite(str(tmp_path / "sixteen_bit.png"), sixteen)
    (tmp_path / "truncated.jpg").write_bytes(jpeg(0)[:-40])
    (tmp_path / "zero_byte.jpg").touch()
    (tmp_path / "not_an_image.jpg").write_text("<html>")
    os.mkfifo(tmp_path / "unreadable.jpg")
    table = find_images([tmp_path]).table
    calls: list[tuple[int, int]] = []
    usable, unusable = check_images(table, lambda *done: calls.append(done))
    assert names(table.take(usable)) == [f"{tmp_path}/fine.png"]
    assert [(Path(bad.name).stem, bad.problem.partition(":")[0]) for bad in unusable] == [
        (Path(name).stem, Path(name).stem) for name in names(table) if "fine" not in name
    ]
    assert all("; " in bad.problem for bad in unusable)  # what to do
    assert calls[-1] == (13, 13)


def test_names_that_are_no_text_stay_on_one_line(tmp_path: Path) -> None:
    for name in (b"a\nb.jpg", b"\xff.jpg"):
        (tmp_path / os.fsdecode(name)).touch()
    table = find_images([tmp_path]).table
    _, unusable = check_images(table, silent)
    assert [os.fsencode(bad.name) for bad in unusable] == [os.fsencode(n) for n in names(table)]
    assert all(str(bad).isprintable() for bad in unusable)


def test_tables_are_joined_in_order(tmp_path: Path, jpeg: Jpeg) -> None:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).write_bytes(jpeg(0))
    table = find_images([tmp_path]).table
    assert names(join_tables([table.take([1]), table])) == [
        f"{tmp_path}/{i}.jpg" for i in (2, 1, 2)
    ]
