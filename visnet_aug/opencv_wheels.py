"""Which OpenCV is on disk: two wheels claim the folder ``cv2``, the last one written is there.

Albumentations asks for ``opencv-python-headless``, Ultralytics for ``opencv-python``; pip installs
both into one folder and notices nothing. ``docs/opencv.md`` says what can go wrong with that.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

HEADLESS = "opencv-python-headless"
"""The wheel that needs no system libraries: no X11, no OpenGL."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """An installed distribution that claims the folder ``cv2``.

    Attributes:
        name: Such as ``opencv-python``.
        version: Its version.
        missing: Number of its files that are not there.
        replaced: Number of its files that have other bytes than it installed.
    """

    name: str
    version: str
    missing: int
    replaced: int

    @property
    def whole(self) -> bool:
        """Whether all of its files are on disk as it installed them: it is the ``cv2``."""
        return not self.missing and not self.replaced

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def find_wheels(folders: Sequence[str] | None = None) -> list[Wheel]:
    """Find the wheels that claim ``cv2`` and compare each one's record with the disk.

    Args:
        folders: Where to look for installed distributions; ``sys.path`` when ``None``.
    """
    found: dict[str, Wheel] = {}
    for distribution in distributions(path=list(sys.path if folders is None else folders)):
        if "cv2" in (distribution.read_text("top_level.txt") or "").split():
            wheel = _compare(distribution)
            found.setdefault(wheel.name, wheel)  # the first on the path is the one imported
    return [found[name] for name in sorted(found)]


def describe_wheels(wheels: Sequence[Wheel]) -> str:
    """Say in one line which wheel's files are on disk."""
    if not wheels:
        return "not installed"
    whole = [str(wheel) for wheel in wheels if wheel.whole]
    others = [str(wheel) for wheel in wheels if not wheel.whole]
    if not whole:
        return f"no whole one of {', '.join(others)}"
    return " and ".join(whole) + (f" (written over {', '.join(others)})" if others else "")


def judge_wheels(wheels: Sequence[Wheel]) -> str | None:
    """Say what is wrong with the wheels, without a remedy; ``None`` where one is whole."""
    if not wheels:
        return "no OpenCV is installed"
    if not any(wheel.whole for wheel in wheels):
        parts = (f"{w} lacks {w.missing} files, {w.replaced} are not its own" for w in wheels)
        return f"no wheel's files are all there: {'; '.join(parts)}"
    if len({wheel.version for wheel in wheels}) > 1:
        names = " and ".join(map(str, wheels))
        return f"{names} share one folder and differ in version"
    return None


def mend_command(wheels: Sequence[Wheel]) -> str:
    """Return the one command that leaves a whole ``cv2`` and keeps ``pip check`` content.

    The headless wheel is written last, at the version that the other one says it has.
    """
    versions = {wheel.name: wheel.version for wheel in wheels}
    known = versions.get("opencv-python") or versions.get(HEADLESS)
    wanted = f"{HEADLESS}=={known}" if known else HEADLESS
    return f"{sys.executable} -m pip install --force-reinstall --no-deps {wanted}"


def _compare(distribution: Distribution) -> Wheel:
    missing = replaced = 0
    for path, algorithm, expected in _recorded(distribution):
        actual = _digest(path, algorithm)
        missing += actual is None
        replaced += actual is not None and actual != expected
    return Wheel(distribution.name, distribution.version, missing, replaced)


def _recorded(distribution: Distribution) -> Iterator[tuple[Path, str, str]]:
    """Yield the files of a wheel's RECORD that have a hash there: all but caches and itself."""
    for file in distribution.files or ():
        if file.hash is not None:
            yield Path(str(file.locate())), file.hash.mode, file.hash.value


def _digest(path: Path, algorithm: str) -> str | None:
    """Hash a file as RECORD does; ``None`` if it is not there."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()
