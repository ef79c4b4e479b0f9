"""``build.json``: what decides a finished build's bytes, counts, checksums; its one reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from visnet_aug.errors import OutputError

BUILD: Final = "build.json"

FORMAT: Final = 1
"""Raised when a reader of an earlier one would misread it."""


def read_build_json(root: Path) -> dict[str, Any]:
    """Read a finished build's ``build.json``; its format is checked and nothing else of it.

    Raises:
        OutputError: It has the format of another version.
        ValueError: It is damaged.
        OSError: It cannot be read.
    """
    report = json.loads((root / BUILD).read_bytes())
    if not isinstance(report, dict) or not isinstance(report.get("format"), int):
        raise ValueError("no format")
    if report["format"] != FORMAT:
        raise OutputError(
            f"{root / BUILD}: has format {report['format']}, and this version of visnet-aug reads "
            f"format {FORMAT}; use the version that built it"
        )
    return report
