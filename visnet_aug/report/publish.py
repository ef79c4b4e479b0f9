"""Publishes a report in one step, so that there is a complete one at any time.

``index.html`` names the folder of its own parts, ``page-<digest>``. All parts of a new report are
there, under another digest, before ``index.html`` is replaced in one step; then the parts of the
earlier report are removed. Nothing else in ``report/`` is touched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from visnet_aug.builder.folder import REPORT_PAGE
from visnet_aug.files import (
    PART_SUFFIX,
    cannot,
    make_folder,
    remove_file,
    sha256_of_file,
    write_file,
)

_FOLDER: Final = re.compile(r"page-([0-9a-f]{12}|new)")
_PART: Final = r"(images|masks|records)-\d{4,}\.(jpg|png|js)|[a-z]+\.(js|css)"
_OURS: Final = re.compile(rf"({_PART})({re.escape(PART_SUFFIX)})?")


@contextmanager
def unpublished(folder: Path) -> Iterator[Path]:
    """Give an empty folder for the parts of a report, and remove it afterwards.

    Args:
        folder: Where reports go; made if necessary.

    Raises:
        OutputError: It cannot be made or emptied.
    """
    parts = folder / "page-new"
    _remove_parts(parts)
    make_folder(parts)
    try:
        yield parts
    finally:
        _remove_parts(parts)


def publish(folder: Path, parts: Path) -> str:
    """Move a report's parts to where its ``index.html`` looks for them.

    Returns:
        The name of their new folder, which follows from their content.

    Raises:
        OutputError: A file cannot be read or moved.
    """
    files = sorted(parts.iterdir())
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(f"{file.name}\n{sha256_of_file(file)}\n".encode())
        target = folder / f"page-{digest.hexdigest()[:12]}"
        make_folder(target)
        for file in files:  # one by one: the same report may be there already, and open
            file.replace(target / file.name)
    except OSError as error:
        raise cannot("published", parts, error) from error
    return target.name


def publish_index(folder: Path, name: str, page: bytes) -> Path:
    """Replace ``index.html``, and remove the parts of earlier reports.

    Args:
        folder: Where reports go.
        name: The folder of the new report's parts.
        page: The new ``index.html``.

    Returns:
        Its path.

    Raises:
        OutputError: Something cannot be written or removed.
    """
    write_file(folder / REPORT_PAGE, page, durable=True)
    for other in sorted(folder.iterdir()):
        if other.name != name and _FOLDER.fullmatch(other.name) and other.is_dir():
            _remove_parts(other)
    return folder / REPORT_PAGE


def _remove_parts(parts: Path) -> None:
    """Remove a report's parts, and their folder if nothing else is in it."""
    if parts.is_symlink() or not parts.is_dir():
        return
    for file in parts.iterdir():
        if _OURS.fullmatch(file.name):
            remove_file(file)
    with suppress(OSError):  # not empty
        parts.rmdir()
