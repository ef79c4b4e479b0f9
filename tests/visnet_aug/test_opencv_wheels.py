from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from visnet_aug.opencv_wheels import (
    Wheel,
    describe_wheels,
    find_wheels,
    judge_wheels,
    mend_command,
)

Files = Mapping[str, bytes]

FULL: Files = {"cv2/__init__.py": b"same", "cv2/cv2.so": b"with Qt", "cv2/qt/libq.so": b"Qt"}
HEADLESS: Files = {"cv2/__init__.py": b"same", "cv2/cv2.so": b"without Qt"}


def install(site: Path, name: str, files: Files, release: str = "5.0") -> None:
    """Do what pip does: write the files over what is there, and a record of them."""
    info = f"{name.replace('-', '_')}-{release}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n"
    record = [f"{info}/RECORD,,", "cv2/__pycache__/__init__.cpython-311.pyc,,"]
    contents = {**files, f"{info}/METADATA": metadata.encode(), f"{info}/top_level.txt": b"cv2\n"}
    for path, data in contents.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(data)}")
    (site / info / "RECORD").write_text("\n".join(record) + "\n")


def test_the_wheel_written_last_is_whole(tmp_path: Path) -> None:
    install(tmp_path, "opencv-python", FULL)
    install(tmp_path, "opencv-python-headless", HEADLESS)
    wheels = find_wheels([str(tmp_path)])
    assert wheels == [
        Wheel("opencv-python", "5.0", missing=0, replaced=1),
        Wheel("opencv-python-headless", "5.0", missing=0, replaced=0),
    ]
    assert judge_wheels(wheels) is None
    assert describe_wheels(wheels) == (
        "opencv-python-headless 5.0 (written over opencv-python 5.0)"
    )


def test_one_wheel_alone_is_sound(tmp_path: Path) -> None:
    install(tmp_path, "opencv-python-headless", HEADLESS)
    wheels = find_wheels([str(tmp_path)])
    assert judge_wheels(wheels) is None
    assert describe_wheels(wheels) == "opencv-python-headless 5.0"


def test_uninstalling_one_of_two_leaves_none_whole(tmp_path: Path) -> None:
    install(tmp_path, "opencv-python", FULL)
    install(tmp_path, "opencv-python-headless", HEADLESS)
    for path in FULL:
        (tmp_path / path).unlink()
    wheels = find_wheels([str(tmp_path)])
    problem = judge_wheels(wheels)
    assert problem is not None
    assert "opencv-python-headless 5.0 lacks 2 files, 0 are not its own" in problem
    assert describe_wheels(wheels).startswith("no whole one of opencv-python 5.0")


def test_files_of_both_are_whole_in_neither(tmp_path: Path) -> None:
    install(tmp_path, "opencv-python", {**FULL, "cv2/version.py": b"False"})
    install(tmp_path, "opencv-python-headless", {**HEADLESS, "cv2/version.py": b"True"})
    (tmp_path / "cv2/cv2.so").write_bytes(FULL["cv2/cv2.so"])
    problem = judge_wheels(find_wheels([str(tmp_path)]))
    assert problem is not None
    assert "opencv-python 5.0 lacks 0 files, 1 are not its own" in problem
    assert "opencv-python-headless 5.0 lacks 0 files, 1 are not its own" in problem


def test_different_versions_are_a_problem(tmp_path: Path) -> None:
    install(tmp_path, "opencv-python", FULL, "4.12")
    install(tmp_path, "opencv-python-headless", HEADLESS, "5.0")
    problem = judge_wheels(find_wheels([str(tmp_path)]))
    assert problem == (
        "opencv-python 4.12 and opencv-python-headless 5.0 share one folder and differ in version"
    )


def test_the_first_on_the_path_is_the_one_imported(tmp_path: Path) -> None:
    install(tmp_path / "user", "opencv-python", FULL, "4.12")
    install(tmp_path / "system", "opencv-python", FULL, "5.0")
    wheels = find_wheels([str(tmp_path / "user"), str(tmp_path / "system")])
    assert [wheel.version for wheel in wheels] == ["4.12"]


def test_nothing_installed(tmp_path: Path) -> None:
    assert find_wheels([str(tmp_path)]) == []
    assert judge_wheels([]) == "no OpenCV is installed"
    assert describe_wheels([]) == "not installed"


@pytest.mark.parametrize(
    ("wheels", "wanted"),
    [
        ([("opencv-python", "4.12"), ("opencv-python-headless", "5.0")], "==4.12"),
        ([("opencv-python", "4.12")], "==4.12"),
        ([("opencv-python-headless", "5.0")], "==5.0"),
        ([], ""),
    ],
)
def test_the_remedy_writes_headless_last_at_the_others_version(
    wheels: list[tuple[str, str]], wanted: str
) -> None:
    command = mend_command([Wheel(name, release, 1, 1) for name, release in wheels])
    assert command == (
        f"{sys.executable} -m pip install --force-reinstall --no-deps "
        f"opencv-python-headless{wanted}"
    )


def test_the_wheels_here_are_found() -> None:
    wheels = {wheel.name: wheel.version for wheel in find_wheels()}
    assert wheels["opencv-python"] == version("opencv-python")
