"""What this machine would run a build with, and what is wrong with it.

Nothing that is examined can break the examination: libraries are imported in processes of their
own, so that one that crashes is a finding like another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Final

import visnet_aug
from visnet_aug.masks.weights import describe_weights, silence_ultralytics
from visnet_aug.opencv_wheels import (
    Wheel,
    describe_wheels,
    find_wheels,
    judge_wheels,
    mend_command,
)
from visnet_aug.processes import default_workers

MODULES: Final = MappingProxyType(
    {
        "numpy": "numpy",
        "cv2": "opencv",
        "PIL": "pillow",
        "torch": "torch",
        "torchvision": "torchvision",
        "albumentations": "albumentations",
        "ultralytics": "ultralytics",
    }
)
"""Modules that a build imports, each before those that it can break, and their distributions."""

CPU_FLAGS: Final = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
"""Instruction sets that decide how fast masks are found, as Linux names them."""

_IMPORT_LIMIT_S = 300.0

_TORCH_FACTS = """
import json, torch
print(json.dumps({
    "bf16": bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()),
    "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
}))
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        name: What was looked at.
        value: What was found.
        problem: What is wrong and how to mend it, in one line, or ``None``.
    """

    name: str
    value: str
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem is None


def run_doctor(weights: str = "builtin") -> list[Finding]:
    """Look at everything a build needs; takes a few seconds, installs nothing.

    Args:
        weights: The segmenter weights to look at, as for ``--weights``.
    """
    silence_ultralytics()
    with ThreadPoolExecutor() as pool:
        importing = pool.submit(find_broken, tuple(MODULES))
        torch = pool.submit(_run, _TORCH_FACTS)
        wheels = pool.submit(find_wheels)
    broken = importing.result()
    opencv = examine_opencv(wheels.result(), broken.get("cv2"))
    return [
        Finding("python", f"{sys.version.split()[0]} ({sys.executable})"),
        Finding("visnet", visnet_aug.__version__),
        *(opencv if name == "cv2" else examine_library(name, broken) for name in MODULES),
        *_examine_devices(torch.result()),
        _examine_weights(weights),
    ]


def find_broken(modules: Sequence[str]) -> dict[str, str]:
    """Import modules in a process of their own; return what the broken ones said.

    All are tried together, which is fast; only if that fails is each one tried alone.
    """
    if _run(f"import {', '.join(modules)}").error is None:
        return {}
    alone = {module: _run(f"import {module}").error for module in modules}
    return {module: error for module, error in alone.items() if error is not None}


def examine_opencv(wheels: Sequence[Wheel], broken: str | None) -> Finding:
    """Judge OpenCV by its wheels' files and by whether it can be imported."""
    problem = judge_wheels(wheels) or (broken and f"import cv2 fails ({broken})")
    if problem:
        problem = f"{problem}; run: {mend_command(wheels)}"
    return Finding("opencv", describe_wheels(wheels), problem or None)


def examine_library(module: str, broken: Mapping[str, str]) -> Finding:
    """Judge a library by its version and by whether it can be imported.

    Args:
        module: One of `MODULES`.
        broken: What `find_broken` found.
    """
    name = MODULES[module]
    try:
        found = version(name)
    except PackageNotFoundError:
        command = f"{sys.executable} -m pip install {name}"
        return Finding(name, "not installed", f"{name} is not installed; run: {command}")
    if module not in broken:
        return Finding(name, found)
    first = next(iter(broken))
    remedy = f"run: {sys.executable} -m pip install --force-reinstall --no-deps {name}=={found}"
    if first != module:
        remedy = f"mend {MODULES[first]} first"
    return Finding(name, found, f"import {module} fails ({broken[module]}); {remedy}")


def _examine_devices(torch: _Outcome) -> list[Finding]:
    flags = _cpu_flags()
    cpu = f"{default_workers()} usable cores" + (f", {' '.join(flags)}" if flags else "")
    if torch.error is not None:  # the finding for torch says why
        return [Finding("cpu", cpu), Finding("gpu", "unknown: torch cannot be asked")]
    facts = json.loads(torch.output)
    computes = "bf16" if facts["bf16"] else "fp32: no bf16 on this processor"
    return [
        Finding("cpu", f"{cpu}; finds masks in {computes}"),
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
    """What a Python process said: its output, and why it failed if it did."""

    output: str
    error: str | None


def _run(code: str) -> _Outcome:
    """Run Python code in a process of its own, apart from the current folder."""
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
