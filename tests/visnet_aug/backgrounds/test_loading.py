"""What importing the families does to a process, each time in a fresh one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROLOGUE = """
import os, random, socket, sys
def refuse(*args, **kwargs):
    sys.exit("touched the network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import cv2, numpy
threads = cv2.getNumThreads()
states = repr(numpy.random.get_state()), random.getstate()
environment = dict(os.environ)
"""

EPILOGUE = """
import visnet_aug.backgrounds.registry, albumentations
assert (repr(numpy.random.get_state()), random.getstate()) == states
assert cv2.getNumThreads() == threads
assert dict(os.environ) == environment
"""


def run(code: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


STUB = "import types; torch = sys.modules['torch'] = types.ModuleType('torch')\n"


def test_importing_touches_no_network_and_nothing_global() -> None:
    run(STUB + EPILOGUE)


LEAN = """
from visnet_aug.backgrounds.loading import load_albumentations
load_albumentations(torch=False)
"""


def test_without_torch() -> None:
    run(LEAN + EPILOGUE + "assert 'torch' not in sys.modules")


def test_a_torch_that_is_there_stays() -> None:
    run(STUB + LEAN + EPILOGUE + "assert sys.modules['torch'] is torch")


def test_the_network_check_can_fail() -> None:
    with pytest.raises(AssertionError, match="touched the network"):
        run(STUB + "import albumentations")
