"""Bring the pages of ``docs/`` up to date with the code: ``python -m docsite``."""

from __future__ import annotations

import sys

from docsite.makers import MAKERS
from docsite.pages import out_of_date


def main() -> None:
    """Make every block of every page anew, and name the pages that changed."""
    for path, page in out_of_date(MAKERS):
        path.write_text(page, encoding="utf-8")
        sys.stdout.write(f"{path.name}: brought up to date\n")


if __name__ == "__main__":
    main()
