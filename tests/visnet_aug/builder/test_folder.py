from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from visnet_aug.builder.build import build
from visnet_aug.builder.folder import (
    FolderContent,
    check_apart,
    check_finished,
    claim,
    clear_way,
    examine,
    read_build_json,
    release,
    remove_build,
)
from visnet_aug.builder.journal import Journal, Written, journal_path
from visnet_aug.errors import OutputError
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe
from visnet_aug.reproduction import Replayer
from visnet_aug.verification.verify import verify

IDENTITY = {"recipe": {"seed": 0, "masks": {"min_area": 0.1}}, "source": "a" * 64}


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """An unfinished build: two files finished, one begun."""
    journal_path(tmp_path).parent.mkdir()
    with Journal(journal_path(tmp_path), IDENTITY) as journal:
        journal.begin(["train/a.jpg", "train/b.jpg", "train/c.jpg"])
        journal.finish([Written(f"train/{n}.jpg", "0" * 64, 1, 1) for n in "ab"])
    touch(tmp_path, "train/a.jpg", "train/b.jpg", "train/c.jpg", "masks/a.png", "masks.csv")
    return tmp_path


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("masks.csv",),
        ("masks.csv", "masks/a.png", "masks.csv.part", "report/masks.png"),
        (".visnet/anything", "masks/a.png"),
        (".visnet/anything", "masks.csv", "build.json", "README.md"),  # killed while replacing
    ],
)
def test_empty_folders_and_masks_alone_are_fresh(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *names)
    assert examine(tmp_path) == FolderContent("fresh")
    assert examine(tmp_path / "not yet") == FolderContent("fresh")


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (("thesis.tex",), "thesis.tex"),
        (("masks.csv", "bounding_box_train/a.jpg"), "bounding_box_train"),
        (("masks/by hand.png",), "masks"),
        (("manifest.csv",), "manifest.csv"),
        (("build.json", "notes.txt"), "build.json"),
    ],
)
def test_folders_with_other_things_are_refused(
    tmp_path: Path, names: tuple[str, ...], first: str
) -> None:
    touch(tmp_path, *names)
    with pytest.raises(OutputError, match=f"belong to a build, such as {first}; choose an empty"):
        examine(tmp_path)


def test_a_file_is_no_output_folder(tmp_path: Path) -> None:
    touch(tmp_path, "file")
    for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(OutputError), claim(out):
            pass


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("set", "inside the source dataset"),
        ("set/aug", "inside the source dataset"),
        ("set/query/../deep/aug", "inside the source dataset"),
        (".", "holds the source dataset"),
        ("link/aug", "inside the source dataset"),
    ],
)
def test_output_and_source_must_lie_apart(tmp_path: Path, out: str, message: str) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "set")
    with pytest.raises(OutputError, match=message):
        check_apart(tmp_path / "set", tmp_path / out)


def test_folders_beside_each_other_are_apart(tmp_path: Path) -> None:
    check_apart(tmp_path / "set", tmp_path / "set2")
    check_apart(tmp_path / "set", tmp_path / "aug")


def test_an_unfinished_build_is_recognised(begun: Path) -> None:
    found = examine(begun)
    assert (found.state, found.identity) == ("unfinished", IDENTITY)
    assert set(found.written) == {"train/a.jpg", "train/b.jpg"}
    assert found.paths == {"train/a.jpg", "train/b.jpg", "train/c.jpg"}
    assert found.folders == {"train"}


def test_replacing_removes_what_the_build_lists_and_nothing_else(begun: Path) -> None:
    touch(begun, "notes.txt", "report/masks.png", "recipe.yaml", "train/a.jpg.part")
    calls: list[tuple[int, int]] = []
    remove_build(begun, examine(begun), lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    left = sorted(path.relative_to(begun).as_posix() for path in begun.rglob("*") if path.is_file())
    assert left == ["masks.csv", "masks/a.png", "notes.txt", "report/masks.png"]
    assert not (begun / "train").exists()


def test_replacing_refuses_when_a_stranger_lies_among_the_images(begun: Path) -> None:
    touch(begun, "train/holiday.jpg")
    with pytest.raises(
        OutputError, match=r"holiday.jpg: does not belong to this build; move it away"
    ):
        remove_build(begun, examine(begun), lambda done, total: None)
    assert (begun / "train/a.jpg").exists()
    assert journal_path(begun).exists()


def test_clearing_the_way_removes_only_half_written_files(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.jpg", "train/b.jpg.part")
    clear_way(tmp_path, ["train", "query"], {"train/a.jpg", "train/b.jpg", "query/q.jpg"})
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.jpg", "train"]
    touch(tmp_path, "train/c.jpg.part")
    with pytest.raises(OutputError, match=r"c.jpg.part: does not belong to this build"):
        clear_way(tmp_path, ["train"], {"train/a.jpg"})


def test_the_mark_stays_only_where_nothing_else_says_whose_the_folder_is(
    tmp_path: Path, begun: Path
) -> None:
    out = tmp_path / "new" / "deep"
    with claim(out):
        assert (out / ".visnet").is_dir()
    assert not out.parent.exists()
    for name, stays in {"masks/a.png": True, "masks.csv": False}.items():
        with claim(out):
            touch(out, name)
        assert (out / ".visnet").exists() == stays
    with pytest.raises(KeyboardInterrupt), claim(begun):
        raise KeyboardInterrupt
    assert [path.name for path in (begun / ".visnet").iterdir()] == ["journal.jsonl"]
    with claim(begun):
        release(begun)  # without a manifest: no build does this
    assert (begun / ".visnet").exists()


def test_a_strangers_folder_is_not_even_marked(tmp_path: Path) -> None:
    touch(tmp_path, "thesis.tex")
    before = tmp_path.stat().st_mtime_ns
    with pytest.raises(OutputError, match="do not belong to a build"), claim(tmp_path):
        pass
    assert tmp_path.stat().st_mtime_ns == before


def test_only_a_finished_build_is_let_through(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no such folder"):
        check_finished(tmp_path / "none")
    with pytest.raises(OutputError, match=r"no manifest\.csv"):
        check_finished(tmp_path)
    (tmp_path / "manifest.csv").touch()
    check_finished(tmp_path)
    journal_path(tmp_path).parent.mkdir()
    journal_path(tmp_path).touch()
    with pytest.raises(OutputError, match="unfinished"):
        check_finished(tmp_path)


@pytest.fixture
def built(market: Path, ellipses: SegmenterFactory, tmp_path: Path) -> Path:
    out = tmp_path / "aug"
    build(market, out, recipe=Recipe(images=31), workers=1, segmenter=ellipses)
    return out


def test_every_reader_refuses_the_format_of_another_version(built: Path) -> None:
    report = read_build_json(built)
    (built / "build.json").write_text(json.dumps(report | {"format": 2}))
    readers: tuple[Callable[[Path], object], ...] = (examine, verify, Replayer)
    for reader in readers:
        with pytest.raises(OutputError, match=r"build\.json: has format 2, .* reads format 1; use"):
            reader(built)


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"format": "1"}', '{"format": 1}'])
def test_a_damaged_one_is_damaged_to_every_reader(built: Path, damage: str) -> None:
    (built / "build.json").write_text(damage)
    with pytest.raises(OutputError, match=r"build\.json: damaged; restore it"):
        examine(built)
    (found,) = (found for found in verify(built).problems if "build.json" in found.text)
    assert found.text.startswith("build.json: damaged (")
    assert Replayer(built).find(["*"])
