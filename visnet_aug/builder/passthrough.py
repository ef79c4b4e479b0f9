"""Query, gallery and originals: the same bytes in the output, copied unless asked otherwise.

A copy is cloned where the file system can (Btrfs, XFS, ...): it then takes no space until either
file is changed. A hard link would let an edit of the output change the source,
so links are only for those who ask.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from visnet_aug.errors import OutputError
from visnet_aug.files import replace_file

try:
    import fcntl
except ImportError:  # Windows: nothing to clone with
    fcntl = None  # type: ignore[assignment]

Passthrough: TypeAlias = Literal["copy", "hardlink", "symlink"]

FICLONE = 0x40049409
"""Linux' ioctl that makes a file share another's blocks (``linux/fs.h``)."""

_unclonable: set[Path] = set()
"""Source folders from which this process failed to clone a file: it tries no more of them, which
would take a quarter of the time."""


def pass_through(source: Path, data: bytes, target: Path, how: Passthrough) -> None:
    """Put a source file under another path, replacing what is there.

    Args:
        source: The file.
        data: Its bytes as they were read, which a copy has even if the source was changed since.
        target: Where it goes; the folder must exist.
        how: ``copy``, ``hardlink`` or ``symlink``.

    Raises:
        OutputError: The target cannot be written.
    """
    if how == "copy":
        replace_file(target, lambda file: _clone_or_write(file, source, data))
    elif how == "hardlink":
        _link(target, lambda: target.hardlink_to(source), how)
    else:
        _link(target, lambda: target.symlink_to(source), how)


def _clone_or_write(file: BinaryIO, source: Path, data: bytes) -> None:
    if not _cloned(file, source, data):
        file.write(data)


def _cloned(file: BinaryIO, source: Path, data: bytes) -> bool:
    """Clone a file, if that can be done and gives what was read of it before."""
    folder = source.parent
    if fcntl is None or folder in _unclonable:
        return False
    try:
        with source.open("rb") as original:
            fcntl.ioctl(file.fileno(), FICLONE, original.fileno())
            if original.read() == data:
                return True
    except OSError:  # another file system, or one that cannot: each has its own error number
        _unclonable.add(folder)
        return False
    file.truncate(0)  # somebody has changed the source since
    return False


def _link(target: Path, link: Callable[[], None], how: Passthrough) -> None:
    """Make a link, which appears at once or not at all, so that it needs no temporary name."""
    try:
        target.unlink(missing_ok=True)
        link()
    except OSError as error:
        raise OutputError(
            f"{target}: cannot make a {how} ({error.strerror}); use --passthrough copy"
        ) from error
