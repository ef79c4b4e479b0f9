"""Pictures in terminals that are played by a pseudo-terminal: what they answer is what they can."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import visnet_aug

pty = pytest.importorskip("pty", reason="no pseudo-terminals here")
tty = pytest.importorskip("tty")
termios = pytest.importorskip("termios")
fcntl = pytest.importorskip("fcntl")
pytest.importorskip("textual_image", reason="pip install 'visnet[terminal]' has it")

SHOW = """
from PIL import Image
from visnet_aug.previews.terminal import show
print("shown" if show(Image.new("RGB", (40, 20), "red")) else "not shown")
"""

SIXELS, NO_SIXELS = "\x1b[?62;4c", "\x1b[?62c"
KITTY = "\x1b_Gi=1;OK\x1b\\"


def output(answers: str, *, stdin: int | None = None, columns: int = 80) -> str:
    """Run `show` on a terminal that has answered before it is asked, and return what it wrote."""
    terminal, end = pty.openpty()
    tty.setraw(end)
    size = struct.pack("4H", 24 if columns else 0, columns, 10 * columns, 480)
    fcntl.ioctl(end, termios.TIOCSWINSZ, size)
    os.write(terminal, answers.encode())
    environment = {**os.environ, "PYTHONPATH": str(Path(visnet_aug.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", SHOW],
        stdin=end if stdin is None else stdin,
        stdout=end,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    os.close(end)
    written = b""
    try:
        while part := os.read(terminal, 1 << 16):
            written += part
    except OSError:  # as Linux says that the other end is closed
        pass
    assert process.wait() == 0, written
    os.close(terminal)
    return written.decode()


def test_a_terminal_with_sixels_shows_them() -> None:
    written = output(SIXELS)
    assert "\x1bP" in written
    assert written.rstrip().endswith("shown")
    assert "not shown" not in written


def test_kitty_gets_its_own_protocol() -> None:
    written = output(NO_SIXELS + KITTY)
    assert "\x1b_G" in written
    assert "not shown" not in written


def test_a_terminal_that_cannot_gets_nothing() -> None:
    assert output(NO_SIXELS + "\x1b[?1;0c").rstrip().endswith("not shown")


def test_a_terminal_without_a_size_gets_nothing() -> None:
    assert output(SIXELS, columns=0).rstrip() == "not shown"


def test_without_a_terminal_nobody_is_asked() -> None:
    assert output("", stdin=subprocess.DEVNULL).rstrip() == "not shown"
