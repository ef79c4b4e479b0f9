"""The journal of a running build: what was begun and finished, so that a killed build can resume.

Each entry is a line of JSON. The first line says which build it is. Then come ``begun`` lines
(paths given to a worker) and one line per finished file. A kill can tear the last line; everything
before it is used, and the rest is made again. The journal is removed when the manifest, which has
the same information and more, is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from visnet_aug.files import cannot, write_file

FOLDER = ".visnet"
NAME = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Written:
    """A finished image file.

    Attributes:
        path: Relative to the output, with ``/``.
        sha256: Hex digest of its bytes.
        width: Pixels.
        height: Pixels.
        params: What was drawn for a copy's background; ``None`` for an untouched image.
    """

    path: str
    sha256: str
    width: int
    height: int
    params: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A finished shard.

    Attributes:
        path: The tar, relative to the output, with ``/``.
        sha256: Hex digest of its bytes.
        images: Its images, with paths into the tar.
    """

    path: str
    sha256: str
    images: tuple[Written, ...]


WrittenFile: TypeAlias = Written | WrittenShard


def images_of(files: Iterable[WrittenFile]) -> Iterator[Written]:
    """Yield the images that files are or contain."""
    for file in files:
        if isinstance(file, WrittenShard):
            yield from file.images
        else:
            yield file


def shard_checksums(files: Iterable[WrittenFile]) -> dict[str, str]:
    """Return the checksums of the files that are shards, sorted by path."""
    shards = {file.path: file.sha256 for file in files if isinstance(file, WrittenShard)}
    return dict(sorted(shards.items()))


@dataclass(frozen=True, slots=True)
class JournalContent:
    """What a journal contains.

    Attributes:
        identity: Which build it belongs to; ``None`` if even the first line is torn.
        begun: Every path that was given to a worker, finished or not.
        written: The finished files by path.
        size: Bytes up to the end of the last undamaged line.
    """

    identity: Mapping[str, Any] | None
    begun: frozenset[str]
    written: Mapping[str, WrittenFile]
    size: int


def journal_path(root: Path) -> Path:
    """Return where the journal of an output folder is."""
    return root / FOLDER / NAME


def read_journal(path: Path) -> JournalContent:
    """Read a journal up to its first damaged line.

    Raises:
        OutputError: The file cannot be read.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise cannot("read", path, error) from error
    identity: Mapping[str, Any] | None = None
    begun: set[str] = set()
    written: dict[str, WrittenFile] = {}
    size = 0
    for line in lines:
        try:
            entry: Any = json.loads(line) if line.endswith(b"\n") else None
            if identity is None:
                identity = entry["identity"]
            elif "begun" in entry:
                begun.update(entry["begun"])
            else:
                written[entry["path"]] = _written(entry)
        except (ValueError, TypeError, KeyError):
            break
        size += len(line)
    return JournalContent(identity, frozenset(begun), written, size)


class Journal:
    """Appends to a journal; a context manager."""

    def __init__(self, path: Path, identity: Mapping[str, Any], keep: int = 0) -> None:
        """Open a journal.

        Args:
            path: Its file; the folder must exist.
            identity: Which build it belongs to.
            keep: Bytes of an earlier run's lines to keep (``JournalContent.size``); 0 starts a new
                journal.

        Raises:
            OutputError: The file cannot be written.
        """
        if not keep:
            first = _lines([{"identity": identity}])
            write_file(path, first)  # in one step: a journal always says whose it is
            keep = len(first)
        self._path, self._size = path, keep
        try:
            # Unbuffered: a failed write must not be tried again on closing.
            self._file = path.open("r+b", buffering=0)
            self._file.truncate(keep)
            self._file.seek(keep)
        except OSError as error:
            raise cannot("written", self._path, error) from error

    def begin(self, paths: Iterable[str]) -> None:
        """Note files before they are made."""
        self._append([{"begun": list(paths)}])

    def finish(self, written: Iterable[WrittenFile]) -> None:
        """Note finished files."""
        self._append(written)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def _append(self, entries: Iterable[Mapping[str, Any] | WrittenFile]) -> None:
        data = memoryview(_lines(entries))
        try:
            while data:  # a disk that fills up accepts a part
                data = data[self._file.write(data) :]
            self._size = self._file.tell()
        except OSError as error:
            with suppress(OSError):  # a torn line in the middle would hide the lines after it
                self._file.truncate(self._size)
                self._file.seek(self._size)
            raise cannot("written", self._path, error) from error


def _written(entry: dict[str, Any]) -> WrittenFile:
    if "images" not in entry:
        return Written(**entry)
    images = tuple(Written(**image) for image in entry.pop("images"))
    return WrittenShard(**entry, images=images)


def _fields(entry: WrittenFile) -> dict[str, Any]:
    return {field.name: getattr(entry, field.name) for field in fields(entry)}


# Built once. `asdict` would copy every record first.
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_fields)


def _lines(entries: Iterable[Mapping[str, Any] | WrittenFile]) -> bytes:
    return "".join(f"{_ENCODER.encode(entry)}\n" for entry in entries).encode()
