from __future__ import annotations

import os
from pathlib import Path

import pytest

from visnet_aug.builder import worker
from visnet_aug.builder.engine import Passthrough
from visnet_aug.builder.worker import pass_through
from visnet_aug.errors import OutputError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.jpg"
    path.write_bytes(b"pixels")
    path.chmod(0o400)
    return path


@pytest.mark.parametrize("how", ["clone", "hardlink", "symlink"])
@pytest.mark.parametrize("before", [None, "file", "link to the source", "dangling link"])
def test_the_target_has_the_sources_bytes_whatever_was_there(
    source: Path, tmp_path: Path, how: Passthrough, before: str | None
) -> None:
    target = tmp_path / "out.jpg"
    if before == "file":
        target.write_bytes(b"other")
    elif before == "link to the source":
        target.hardlink_to(source)
    elif before == "dangling link":
        target.symlink_to(tmp_path / "nowhere")
    pass_through(source, b"pixels", target, how)
    assert target.read_bytes() == b"pixels"
    assert target.is_symlink() == (how == "symlink")
    assert (target.stat().st_ino == source.stat().st_ino) == (how != "clone")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jpg", "source.jpg"]


def test_editing_a_clone_leaves_the_source_alone(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jpg"
    pass_through(source, b"pixels", target, "clone")
    target.write_bytes(b"edited")
    assert source.read_bytes() == b"pixels"


def test_a_file_is_cloned_where_the_file_system_can(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(worker.fcntl, "ioctl", lambda *call: calls.append(call))
    pass_through(source, b"pixels", tmp_path / "out.jpg", "clone")
    assert [call[1] for call in calls] == [worker.FICLONE]
    assert (tmp_path / "out.jpg").read_bytes() == b""  # only the pretended clone wrote


def test_a_source_that_changes_before_it_is_cloned_gives_what_was_read(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.chmod(0o600)
    source.write_bytes(b"other pixels")
    monkeypatch.setattr(
        worker.fcntl,
        "ioctl",
        lambda to, _, of: os.pwrite(to, os.pread(of, 99, 0), 0),  # as a clone leaves a file
    )
    pass_through(source, b"pixels", tmp_path / "out.jpg", "clone")
    assert (tmp_path / "out.jpg").read_bytes() == b"pixels"


@pytest.mark.parametrize("how", ["hardlink", "symlink"])
def test_a_link_that_cannot_be_made_says_what_to_do(
    source: Path, tmp_path: Path, how: Passthrough
) -> None:
    with pytest.raises(OutputError, match=f"cannot make a {how} .*; use --passthrough clone"):
        pass_through(source, b"pixels", tmp_path / "no folder" / "out.jpg", how)
