from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.builder.folder import REPORT_PAGE
from visnet_aug.errors import OutputError
from visnet_aug.report.publish import publish, publish_index, unpublished


def report(folder: Path, text: str) -> str:
    """Publish a report of two parts."""
    with unpublished(folder) as parts:
        (parts / "images-0000.jpg").write_text(text)
        (parts / "page.js").write_text("script")
        name = publish(folder, parts)
        publish_index(folder, name, f"see {name}".encode())
    return name


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def whole(name: str) -> set[str]:
    return {REPORT_PAGE, name, f"{name}/images-0000.jpg", f"{name}/page.js"}


def test_a_report_replaces_the_one_before(tmp_path: Path) -> None:
    first = report(tmp_path, "one")
    assert names(tmp_path) == whole(first)
    second = report(tmp_path, "two")
    assert second != first
    assert names(tmp_path) == whole(second)
    assert (tmp_path / REPORT_PAGE).read_text() == f"see {second}"


def test_the_same_report_has_the_same_name_and_is_mended(tmp_path: Path) -> None:
    first = report(tmp_path, "one")
    (tmp_path / first / "images-0000.jpg").write_text("damaged")
    assert report(tmp_path, "one") == first
    assert (tmp_path / first / "images-0000.jpg").read_text() == "one"
    assert names(tmp_path) == whole(first)


def test_what_is_not_of_a_report_stays(tmp_path: Path) -> None:
    first = report(tmp_path, "one")
    kept = ["notes.txt", f"{first}/my notes.txt", "page-mine/page.js", "page-0123456789ab"]
    for name in kept:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "page.js").write_text("mine")
    (tmp_path / "page-ba9876543210").symlink_to(elsewhere)
    second = report(tmp_path, "two")
    for name in (*kept, "elsewhere/page.js"):
        assert (tmp_path / name).read_text() == "mine"
    assert not (tmp_path / first / "page.js").exists()
    assert whole(second) <= names(tmp_path)


def test_one_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    first = report(tmp_path, "one")
    with pytest.raises(KeyboardInterrupt), unpublished(tmp_path) as parts:
        (parts / "images-0000.jpg").write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == whole(first)


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "page-new"
    left.mkdir()
    (left / "masks-0003.png.part").write_text("half")
    name = report(tmp_path, "one")
    assert names(tmp_path) == whole(name)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file")
    with pytest.raises(OutputError, match="cannot be made"), unpublished(tmp_path / "report"):
        pass
