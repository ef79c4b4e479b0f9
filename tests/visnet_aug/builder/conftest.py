"""A build that is killed on the way, and a segmenter that finds nobody in one image."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from fake_segmenters import Picky

from visnet_aug.masks.compute import SegmenterFactory, SegmenterSource

CRASH = """
import importlib, os, signal, sys
sys.path.insert(0, {tests!r})
from fake_segmenters import Ellipses
from visnet_aug.builder.build import build, build_probe
from visnet_aug.builder import local
from visnet_aug.masks.compute import SegmenterSource
from visnet_aug.recipe import Recipe

module, _, name = {point!r}.rpartition(":")
owner = importlib.import_module(module)
for part in name.split(".")[:-1]:
    owner = getattr(owner, part)
name = name.split(".")[-1]
true, calls = getattr(owner, name), 0

def killed(*arguments, **options):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return true(*arguments, **options)

setattr(owner, name, killed)
local.CHUNK = 2

if __name__ == "__main__":
    {command}({source!r}, {out!r}, {arguments}, workers=2,
              segmenter=lambda *_: SegmenterSource("ellipses", Ellipses))
"""


@pytest.fixture
def kill(market: Path, tmp_path: Path) -> Callable[..., None]:
    """Build from the small dataset and be killed as a function is called for the nth time."""

    def kill(point: str, call: int, out: Path, command: str, arguments: str) -> None:
        tests = str(Path(__file__).parents[2] / "shared")
        script = tmp_path / "crash.py"
        script.write_text(
            CRASH.format(
                tests=tests,
                point=point,
                call=call,
                source=str(market),
                out=str(out),
                command=command,
                arguments=arguments,
            )
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        result = subprocess.run(
            [sys.executable, str(script)], env=environment, capture_output=True, check=False
        )
        assert result.returncode == -signal.SIGKILL, result.stderr

    return kill


@pytest.fixture
def shunning() -> Callable[[Path], SegmenterFactory]:
    """Make a segmenter that rejects the mask of one image, for its border."""
    return lambda shunned: lambda *_: SegmenterSource("picky", cast(Any, partial(Picky, shunned)))
