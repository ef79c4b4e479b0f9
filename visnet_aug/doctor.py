"""Check an installation: versions, devices, segmenter weights, and what is wrong with them.

Libraries are imported in child processes, so that one that crashes is a finding like any other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import MappingProxyType
from typing import Final

import visnet_aug
from visnet_aug.masks.weights import describe_weights, silence_ultralytics
from visnet_aug.processes import default_workers

MODULES: Final = MappingProxyType(
    {
        "numpy": "numpy",
        "cv2": "opencv-python-headless",
        "PIL": "pillow",
        "torch": "torch",
        "torchvision": "torchvision",
        "albumentations": "albumentations",
        "ultralytics": "ultralytics-opencv-headless",
    }
)
"""Modules that a build imports, each before those it can break, and the distribution required."""

CPU_FLAGS: Final = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
"""Instruction sets that decide how fast networks run, as Linux names them."""

_IMPORT_LIMIT_S = 300.0

_TORCH_FACTS = """
import json, torch
from visnet_aug.hardware import computes_in_bf16
print(json.dumps({
    "bf16": computes_in_bf16(torch.device("cpu")),
    "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
}))
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        name: What was checked.
        value: What was found.
        problem: What is wrong and how to fix it, in one line, or ``None``.
    """

    name: str
    value: str
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem is None


def run_doctor(weights: str = "builtin") -> list[Finding]:
    """Check everything a build needs. Takes a few seconds and installs nothing.

    Args:
        weights: The segmenter weights to check, as for ``--weights``.
    """
    silence_ultralytics()
    with ThreadPoolExecutor() as pool:
        importing = pool.submit(find_broken, tuple(MODULES))
        torch = pool.submit(_run, _TORCH_FACTS)
    installed, broken = packages_distributions(), importing.result()
    return [
        Finding("python", f"{sys.version.split()[0]} ({sys.executable})"),
        Finding("visnet", visnet_aug.__version__),
        *(examine_library(module, installed.get(module, ()), broken) for module in MODULES),
        *_examine_devices(torch.result()),
        _examine_weights(weights),
    ]


def find_broken(modules: Sequence[str]) -> dict[str, str]:
    """Import modules in a child process; return the last line of the error of each broken one.

    All are imported together, which is fast. Only if that fails is each one imported alone.
    """
    if _run(f"import {', '.join(modules)}").error is None:
        return {}
    alone = {module: _run(f"import {module}").error for module in modules}
    return {module: error for module, error in alone.items() if error is not None}


def examine_library(module: str, names: Sequence[str], broken: Mapping[str, str]) -> Finding:
    """Check a library: installed, importable, and not overwritten by another distribution.

    pip lets several distributions install one module (``opencv-python`` and
    ``opencv-python-headless`` both install ``cv2``), each over the files of the one before.

    Args:
        module: One of `MODULES`.
        names: The installed distributions that contain it.
        broken: What `find_broken` returned.
    """
    required = MODULES[module]
    pip = f"{sys.executable} -m pip"
    found = {name: version(name) for name in sorted(set(names))}
    if not found:
        return Finding(required, "not installed", f"not installed; run: {pip} install {required}")
    listed = " and ".join(f"{name} {release}" for name, release in found.items())
    value = found[required] if list(found) == [required] else listed
    problem = None
    if len(set(found.values())) > 1:
        problem = f"{listed} install the same module {module} in different versions"
    if module in broken:
        problem = f"import {module} fails ({broken[module]})"
        first = next(iter(broken))
        if first != module:
            return Finding(required, value, f"{problem}; fix {MODULES[first]} first")
    if problem is None:
        return Finding(required, value)
    wanted = required if required in found else next(iter(found))
    install = f"{pip} install --force-reinstall --no-deps {wanted}=={found[wanted]}"
    if len(found) > 1:
        install = f"{pip} uninstall -y {' '.join(found)} && {install}"
    return Finding(required, value, f"{problem}; run: {install}")


def _examine_devices(torch: _Outcome) -> list[Finding]:
    flags = _cpu_flags()
    cpu = f"{default_workers()} usable cores" + (f", {' '.join(flags)}" if flags else "")
    if torch.error is not None:  # the finding for torch has the reason
        return [Finding("cpu", cpu), Finding("gpu", "unknown: torch cannot be imported")]
    facts = json.loads(torch.output)
    computes = "bf16" if facts["bf16"] else "fp32, because this processor has no bf16 arithmetic"
    return [
        Finding("cpu", f"{cpu}; networks run in {computes}"),
        Finding("gpu", ", ".join(facts["cuda"]) or "none that torch can use"),
    ]


def _cpu_flags() -> list[str]:
    """Read the processor's instruction sets where the system lists them (Linux)."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return [flag for flag in CPU_FLAGS if flag in flags.split()]


def _examine_weights(spec: str) -> Finding:
    info = describe_weights(spec)
    checksum = f", sha256 {info.sha256[:12]}…" if info.sha256 else ""
    return Finding("weights", f"{info.name} ({info.path}{checksum})", info.problem)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The output of a Python process, and why it failed if it did."""

    output: str
    error: str | None


def _run(code: str) -> _Outcome:
    """Run Python code in a child process that imports nothing from the current folder."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_IMPORT_LIMIT_S,
            env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"},
        )
    except subprocess.TimeoutExpired:
        return _Outcome("", f"no answer within {_IMPORT_LIMIT_S:.0f} s")
    if done.returncode < 0:
        return _Outcome("", f"killed by signal {-done.returncode}")
    if done.returncode > 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return _Outcome("", said[-1].strip())
    return _Outcome(done.stdout, None)
