from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.builder.folder import (
    FolderContent,
    check_apart,
    claim,
    clear_way,
    examine,
    release,
    remove_build,
)
from visnet_aug.builder.identity import check_same, differences
from visnet_aug.builder.journal import Journal, Written, journal_path
from visnet_aug.errors import OutputError

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
    with pytest.raises(OutputError, match=f"not of a build, such as {first}; choose an empty"):
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


def test_another_build_is_refused_with_what_differs(begun: Path) -> None:
    found = examine(begun)
    check_same(begun, found, IDENTITY)
    check_same(begun, found, {"source": "a" * 64})
    check_same(begun, FolderContent("fresh"), {"source": "other"})
    other = {"recipe": {"seed": 1, "masks": {"min_area": 0.2}}, "source": "b" * 64}
    with pytest.raises(OutputError) as caught:
        check_same(begun, found, other)
    assert "recipe.masks.min_area is 0.1 there and 0.2 here (and 2 more); --force" in str(
        caught.value
    )


def test_differences_name_every_value() -> None:
    there = {"a": 1, "b": {"c": [1, 2], "d": None}, "gone": "x" * 99}
    here = {"a": 1, "b": {"c": [1, 3], "d": None}, "new": True}
    assert list(differences(there, here)) == [
        "b.c is [1, 2] there and [1, 3] here",
        f'gone is "{"x" * 36}... there and null here',
        "new is null there and true here",
    ]


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
    with pytest.raises(OutputError, match=r"train/holiday.jpg: not of this build; move it away"):
        remove_build(begun, examine(begun), lambda done, total: None)
    assert (begun / "train/a.jpg").exists()
    assert journal_path(begun).exists()


def test_clearing_the_way_removes_only_half_written_files(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.jpg", "train/b.jpg.part")
    clear_way(tmp_path, ["train", "query"], {"train/a.jpg", "train/b.jpg", "query/q.jpg"})
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.jpg", "train"]
    touch(tmp_path, "train/c.jpg.part")
    with pytest.raises(OutputError, match=r"c.jpg.part: not of this build"):
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
    with pytest.raises(OutputError, match="not of a build"), claim(tmp_path):
        pass
    assert tmp_path.stat().st_mtime_ns == before
