from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from visnet_aug import doctor
from visnet_aug.doctor import (
    Finding,
    examine_library,
    examine_opencv,
    find_broken,
    run_doctor,
)
from visnet_aug.opencv_wheels import Wheel

WHOLE = Wheel("opencv-python-headless", "5.0", 0, 0)
OVERWRITTEN = Wheel("opencv-python", "5.0", 0, 3)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder whose modules child processes can import."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sound.py").write_text("print('chatter')")
    return tmp_path


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ImportError('libGL.so.1: no such file')", "ImportError: libGL.so.1: no such file"),
        ("import os; os.abort()", "killed by signal 6"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of"),
        ("syntax error", "SyntaxError: invalid syntax"),
        ("raise ValueError('two\\nlines')", "lines"),
    ],
)
def test_a_broken_import_is_a_finding_and_no_crash(body: str, said: str, modules: Path) -> None:
    (modules / "broken_module.py").write_text(body)
    broken = find_broken(["sound", "broken_module"])
    assert list(broken) == ["broken_module"]
    assert broken["broken_module"].startswith(said)


def test_an_import_that_hangs_is_a_finding(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_IMPORT_LIMIT_S", 0.5)
    (modules / "endless.py").write_text("while True: pass")
    assert find_broken(["endless"]) == {"endless": "no answer within 0 s"}


def test_sound_imports_are_no_findings(modules: Path) -> None:
    assert find_broken(["sound", "json"]) == {}


def test_the_current_folder_shadows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('wrong numpy')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert find_broken(["numpy"]) == {}


def test_a_sound_opencv() -> None:
    assert examine_opencv([OVERWRITTEN, WHOLE], None) == Finding(
        "opencv", "opencv-python-headless 5.0 (written over opencv-python 5.0)"
    )


@pytest.mark.parametrize(
    ("wheels", "broken", "said"),
    [
        ([], "ModuleNotFoundError: cv2", "no OpenCV is installed; run: "),
        ([OVERWRITTEN], None, "no wheel's files are all there: .* run: .*headless==5.0$"),
        ([WHOLE], "ImportError: libGL", "import cv2 fails .ImportError: libGL.; run: "),
    ],
)
def test_an_unsound_opencv_comes_with_one_command(
    wheels: list[Wheel], broken: str | None, said: str
) -> None:
    finding = examine_opencv(wheels, broken)
    assert not finding.ok
    assert finding.problem is not None
    assert re.match(said, finding.problem)
    assert finding.problem.count(" -m pip install ") == 1


def test_a_broken_library_is_reinstalled() -> None:
    problem = examine_library("PIL", {"PIL": "ImportError: x"}).problem
    assert problem is not None
    assert "import PIL fails (ImportError: x)" in problem
    assert "pip install --force-reinstall --no-deps pillow==" in problem


def test_what_breaks_by_another_waits_for_it() -> None:
    broken = {"cv2": "ImportError: x", "ultralytics": "ImportError: x"}
    problem = examine_library("ultralytics", broken).problem
    assert problem == "import ultralytics fails (ImportError: x); mend opencv first"


def test_a_missing_library_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MODULES", {"absent": "no-such-distribution"})
    assert examine_library("absent", {}) == Finding(
        "no-such-distribution",
        "not installed",
        "no-such-distribution is not installed; run: "
        f"{sys.executable} -m pip install no-such-distribution",
    )


@pytest.mark.parametrize(
    ("answer", "devices"),
    [
        ('{"bf16": true, "cuda": []}', ["finds masks in bf16", "none that torch can use"]),
        ('{"bf16": false, "cuda": ["A", "B"]}', ["fp32: no bf16 on this processor", "A, B"]),
    ],
)
def test_the_report_of_this_machine(
    answer: str, devices: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Light stand-ins: `make lint` runs the doctor on the real libraries.
    monkeypatch.setattr(doctor, "MODULES", {"numpy": "numpy", "cv2": "opencv"})
    monkeypatch.setattr(doctor, "_TORCH_FACTS", f"print({answer!r})")
    findings = {finding.name: finding for finding in run_doctor(str(tmp_path / "absent.pt"))}
    assert list(findings) == ["python", "visnet", "numpy", "opencv", "cpu", "gpu", "weights"]
    assert [name for name, finding in findings.items() if not finding.ok] == ["weights"]
    assert findings["cpu"].value.endswith(devices[0])
    assert findings["gpu"].value == devices[1]
    for finding in findings.values():
        assert f"{finding.value}{finding.problem or ''}".isprintable()


def test_the_report_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MODULES", {"numpy": "numpy"})
    monkeypatch.setattr(doctor, "_TORCH_FACTS", "import no_torch")
    findings = {finding.name: finding.value for finding in run_doctor()}
    assert findings["gpu"] == "unknown: torch cannot be asked"
    assert "usable cores" in findings["cpu"]
