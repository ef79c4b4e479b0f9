"""The version is in one place; what must repeat it agrees."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from visnet_aug import RELEASED, __version__

ROOT = Path(__file__).parents[2]


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__
    assert str(citation["date-released"]) == RELEASED


def test_the_changelog_ends_with_this_version_or_what_is_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1] == f"{__version__} - {RELEASED}"


def test_the_version_is_cheap_to_ask_for() -> None:
    code = (
        "import sys, visnet_aug; visnet_aug.__version__\n"
        "print(*{'torch', 'numpy', 'cv2', 'pydantic', 'click'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
