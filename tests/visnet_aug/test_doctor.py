from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from visnet_aug import doctor
from visnet_aug.doctor import Finding, examine_library, find_broken, run_doctor

PIP = f"{sys.executable} -m pip"


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


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Installed versions by distribution, for the test to fill."""
    found: dict[str, str] = {}
    monkeypatch.setattr(doctor, "version", found.__getitem__)
    return found


HEADLESS = "opencv-python-headless"


@pytest.mark.parametrize(
    ("installed", "broken", "value", "problem"),
    [
        ({HEADLESS: "5.0"}, {}, "5.0", None),
        # Somebody else's choice of a wheel works as well.
        ({"opencv-python": "5.0"}, {}, "opencv-python 5.0", None),
        (
            {"opencv-python": "5.0", HEADLESS: "5.0"},
            {},
            f"opencv-python 5.0 and {HEADLESS} 5.0",
            None,
        ),
        ({}, {}, "not installed", f"not installed; run: {PIP} install {HEADLESS}"),
        ({}, {"cv2": "x"}, "not installed", f"not installed; run: {PIP} install {HEADLESS}"),
        (
            {HEADLESS: "5.0"},
            {"cv2": "ImportError: x"},
            "5.0",
            "import cv2 fails (ImportError: x); "
            f"run: {PIP} install --force-reinstall --no-deps {HEADLESS}==5.0",
        ),
        (
            {"opencv-python": "4.11", HEADLESS: "5.0"},
            {},
            f"opencv-python 4.11 and {HEADLESS} 5.0",
            f"opencv-python 4.11 and {HEADLESS} 5.0 install the same module cv2 in different "
            f"versions; run: {PIP} uninstall -y opencv-python {HEADLESS} && "
            f"{PIP} install --force-reinstall --no-deps {HEADLESS}==5.0",
        ),
        (  # one of the two was uninstalled, with files of the other
            {"opencv-contrib-python": "4.11", "opencv-python": "4.11"},
            {"cv2": "ModuleNotFoundError: x"},
            "opencv-contrib-python 4.11 and opencv-python 4.11",
            "import cv2 fails (ModuleNotFoundError: x); "
            f"run: {PIP} uninstall -y opencv-contrib-python opencv-python && "
            f"{PIP} install --force-reinstall --no-deps opencv-contrib-python==4.11",
        ),
        (
            {HEADLESS: "5.0"},
            {"numpy": "ImportError: x", "cv2": "ImportError: x"},
            "5.0",
            "import cv2 fails (ImportError: x); fix numpy first",
        ),
    ],
)
def test_a_module_and_its_distributions(
    installed: dict[str, str],
    broken: dict[str, str],
    value: str,
    problem: str | None,
    versions: dict[str, str],
) -> None:
    versions.update(installed)
    expected = Finding(HEADLESS, value, problem)
    assert examine_library("cv2", list(installed), broken) == expected


def test_a_distribution_that_is_listed_twice_counts_once(versions: dict[str, str]) -> None:
    versions["pillow"] = "12.0"
    assert examine_library("PIL", ["pillow", "pillow"], {}) == Finding("pillow", "12.0")


def test_what_is_checked_is_what_is_required() -> None:
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    required = tomllib.loads(pyproject.read_text())["project"]["dependencies"]
    names = {re.split("[<>=;]", line)[0] for line in required}
    assert set(doctor.MODULES.values()) <= names


@pytest.mark.parametrize(
    ("answer", "devices"),
    [
        ('{"bf16": true, "cuda": []}', ["networks run in bf16", "none that torch can use"]),
        (
            '{"bf16": false, "cuda": ["A", "B"]}',
            ["fp32, because this processor has no bf16 arithmetic", "A, B"],
        ),
    ],
)
def test_the_report_of_this_machine(
    answer: str, devices: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Light stand-ins: `make lint` runs the doctor on the real libraries.
    monkeypatch.setattr(doctor, "MODULES", {"numpy": "numpy", "PIL": "pillow"})
    monkeypatch.setattr(doctor, "_TORCH_FACTS", f"print({answer!r})")
    findings = {finding.name: finding for finding in run_doctor(str(tmp_path / "absent.pt"))}
    assert list(findings) == ["python", "visnet", "numpy", "pillow", "cpu", "gpu", "weights"]
    assert [name for name, finding in findings.items() if not finding.ok] == ["weights"]
    assert findings["cpu"].value.endswith(devices[0])
    assert findings["gpu"].value == devices[1]
    for finding in findings.values():
        assert f"{finding.value}{finding.problem or ''}".isprintable()


def test_the_report_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MODULES", {"numpy": "numpy"})
    monkeypatch.setattr(doctor, "_TORCH_FACTS", "import no_torch")
    findings = {finding.name: finding.value for finding in run_doctor()}
    assert findings["gpu"] == "unknown: torch cannot be imported"
    assert "usable cores" in findings["cpu"]
