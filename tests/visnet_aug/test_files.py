from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from visnet_aug.errors import OutputError
from visnet_aug.files import make_folder, part_of, remove_file, replace_file, write_file


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_appears_whole_in_place_of_another(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"before")

    def write(file: BinaryIO) -> None:
        file.write(b"after")
        file.flush()
        assert path.read_bytes() == b"before"
        assert part_of(path).read_bytes() == b"after"

    replace_file(path, write, durable=durable)
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]


def test_only_what_is_durable_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr("os.fsync", lambda number: sizes.append(os.fstat(number).st_size))
    write_file(tmp_path / "image.jpg", b"pixels")
    assert sizes == []
    write_file(tmp_path / "table.csv", b"lines", durable=True)
    assert sizes == [5], "all bytes were handed to the system before it was asked to store them"


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("durable", [False, True])
def test_a_full_disk_leaves_what_was_there_and_nothing_beside(
    tmp_path: Path, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"before")
    monkeypatch.setattr("os.fsync" if durable else "pathlib.Path.replace", _full)
    with pytest.raises(OutputError) as caught:
        write_file(path, b"after", durable=durable)
    assert str(caught.value) == f"{path}: cannot be written (No space left on device)"
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [
        ("table.csv", b"before")
    ]


def test_folders_and_files_in_the_way_are_one_clear_line(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file: cannot be made \(File exists\)"):
        make_folder(tmp_path / "file")
    with pytest.raises(OutputError, match=r"b: cannot be written"):
        write_file(tmp_path / "a" / "b", b"")
    with pytest.raises(OutputError, match=r"none/x: cannot be written \(No such file"):
        write_file(tmp_path / "none" / "x", b"")
    with pytest.raises(OutputError, match=r"b: cannot be removed"):
        remove_file(tmp_path / "a" / "b")
    remove_file(tmp_path / "file")
    remove_file(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
