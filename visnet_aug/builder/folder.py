"""The output folder: what is in it, whose it is, and what may be removed.

A folder is in one of three states: ``fresh`` (nothing but perhaps masks), ``unfinished`` (a
journal) and ``finished`` (a manifest, no journal). ``--force`` makes it fresh again. Only files
that a journal or a manifest lists are ever removed, with the tables and the report page that
describe them. Which build it is, and whether it is the one asked for, is in ``identity.py``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from visnet_aug.builder.journal import FOLDER as STATE_FOLDER
from visnet_aug.builder.journal import (
    Written,
    WrittenFile,
    WrittenShard,
    journal_path,
    read_journal,
)
from visnet_aug.builder.lock import hold
from visnet_aug.errors import OutputError
from visnet_aug.files import PART_SUFFIX, cannot, part_of, remove_file
from visnet_aug.manifest import read_manifest
from visnet_aug.masks.store import FOLDER as MASK_FOLDER
from visnet_aug.masks.store import TABLE as MASK_TABLE
from visnet_aug.progress import Advance
from visnet_aug.shards import shard_of, table_of

MANIFEST: Final = "manifest.csv"
RECIPE: Final = "recipe.yaml"
BUILD: Final = "build.json"
REJECTED: Final = "rejected.csv"
CARD: Final = "README.md"
CROISSANT: Final = "croissant.json"
METADATA: Final = "metadata.csv"
PARQUET: Final = "manifest.parquet"
REPORT_FOLDER: Final = "report"
REPORT_PAGE: Final = "index.html"
TIMINGS: Final = "timings.json"

TABLES: Final = (MANIFEST, RECIPE, BUILD, REJECTED, CARD, CROISSANT)
"""Tables that every finished build has; see also `table_paths`."""

SIDECARS: Final = (*TABLES, PARQUET)
"""The same, with the table that is written only on request."""

FORMAT: Final = 1
"""Of ``build.json``: raised when a reader of an earlier format would misread it."""

State: TypeAlias = Literal["fresh", "unfinished", "finished"]


@dataclass(frozen=True, slots=True)
class FolderContent:
    """What an output folder holds.

    Attributes:
        state: See the module.
        identity: Which build it is; ``None`` where nothing says so.
        written: Finished files by path; of a finished build, those of its manifest.
        begun: Paths that may exist without being finished.
        journal_size: Bytes of the journal to keep when the build is resumed.
    """

    state: State
    identity: Mapping[str, Any] | None = None
    written: Mapping[str, WrittenFile] = field(default_factory=dict)
    begun: frozenset[str] = frozenset()
    journal_size: int = 0

    @property
    def paths(self) -> frozenset[str]:
        """Every file with images that the build may have made."""
        return self.begun.union(self.written)

    @property
    def folders(self) -> frozenset[str]:
        """The folders of those files."""
        return frozenset(path.rpartition("/")[0] for path in self.paths)

    def is_complete(self, root: Path) -> bool:
        """Tell whether a build is finished and exactly its files are there, by name."""
        if self.state != "finished" or not all((root / name).exists() for name in TABLES):
            return False
        return present_files(root, self.folders) == table_paths(self.paths) | self.paths


def check_apart(source: Path, out: Path) -> None:
    """Refuse an output folder inside the source dataset, or one that contains it.

    Raises:
        OutputError: They overlap.
    """
    source, out = source.resolve(), out.resolve()
    if out == source or source in out.parents:
        raise OutputError(f"{out}: inside the source dataset {source}; choose another --out")
    if out in source.parents:
        raise OutputError(f"{out}: holds the source dataset {source}; choose another --out")


def examine(root: Path) -> FolderContent:
    """Find out what an output folder holds.

    Raises:
        OutputError: It is not a folder, cannot be read, or holds files that no build made.
    """
    names = _names(root)
    if journal_path(root).exists():
        journal = read_journal(journal_path(root))
        return FolderContent(
            "unfinished", journal.identity, journal.written, journal.begun, journal.size
        )
    if _is_finished(names):
        return _examine_finished(root)
    _check_ours(root, names)
    return FolderContent("fresh")


@contextmanager
def claim(root: Path) -> Iterator[None]:
    """Lock an output folder for this process; it is made if necessary.

    While it is locked, and afterwards if it holds something unfinished, its ``.visnet`` marks it
    as ours. A folder that was made for nothing is removed again.

    Raises:
        OutputError: It cannot be made, holds files that no build made, or another process is
            working in it.
    """
    names = _names(root)
    if not (journal_path(root).exists() or _is_finished(names)):
        _check_ours(root, names)
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    try:
        with hold(root):
            for name in SIDECARS:  # left by a kill; nobody else is writing
                remove_file(part_of(root / name))
            yield
    finally:
        rest = [name for name in _names(root) if name != STATE_FOLDER]
        if _is_finished(rest) or not _foreign(rest):
            made.insert(0, root / STATE_FOLDER)  # no longer needed to recognise the folder
        for folder in made:
            with suppress(OSError):  # not empty: a journal, or what was made
                folder.rmdir()


def release(root: Path) -> None:
    """Remove the journal: from now on the manifest lists what is there.

    Raises:
        OutputError: It cannot be removed.
    """
    remove_file(journal_path(root))


def check_finished(root: Path) -> None:
    """Refuse a folder without a finished build or probe.

    Raises:
        OutputError: There is no such folder, or no finished build in it.
    """
    if not root.is_dir():
        raise OutputError(f"{root}: no such folder; give the --out folder of a build")
    if journal_path(root).exists():
        raise OutputError(
            f"{root}: the build is unfinished; run the same build command again to finish it"
        )
    if not (root / MANIFEST).exists():
        raise OutputError(f"{root}: no {MANIFEST} in it; give the --out folder of a build")


def read_build_json(root: Path) -> dict[str, Any]:
    """Read a finished build's ``build.json``; only its format is checked.

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


def _names(root: Path) -> list[str]:
    try:
        return sorted(path.name for path in root.iterdir()) if root.exists() else []
    except OSError as error:
        raise cannot("read as a folder", root, error) from error


def _is_finished(names: Collection[str]) -> bool:
    return BUILD in names and MANIFEST in names


def _check_ours(root: Path, names: Sequence[str]) -> None:
    """Refuse a folder without journal or manifest in which there is more than masks."""
    foreign = _foreign(names)
    if foreign:
        raise OutputError(
            f"{root}: holds files that do not belong to a build, such as {foreign[0]}; "
            "choose an empty or new folder for --out"
        )


def _foreign(names: Sequence[str]) -> Sequence[str]:
    """Return what a build cannot have left; everything where nothing shows that there was one."""
    half_written = part_of(Path(MASK_TABLE)).name
    ours = {MASK_FOLDER, MASK_TABLE, half_written, STATE_FOLDER, REPORT_FOLDER}
    if STATE_FOLDER in names:
        ours.update(SIDECARS)  # a kill while a build was removed leaves some
    marked = STATE_FOLDER in names or MASK_TABLE in names
    return [name for name in names if name not in ours or not marked]


def table_paths(files: Iterable[str]) -> set[str]:
    """Return the paths of the tables: one beside each shard, one in each image folder."""
    return {table_of(path) or f"{path.rpartition('/')[0]}/{METADATA}" for path in files}


def present_files(root: Path, folders: Iterable[str]) -> set[str]:
    """List the files in the image folders, as paths relative to the output.

    Raises:
        OutputError: A folder cannot be listed.
    """
    try:
        return {
            f"{folder}/{path.name}"
            for folder in folders
            if (root / folder).is_dir()
            for path in (root / folder).iterdir()
        }
    except OSError as error:
        raise cannot("listed", root, error) from error


def clear_way(root: Path, folders: Collection[str], expected: Collection[str]) -> None:
    """Remove half-written files from the image folders; refuse files that are not expected.

    Args:
        root: The output folder.
        folders: The image folders, relative to it.
        expected: Paths that may be there.

    Raises:
        OutputError: There is a file that no build made, or one cannot be removed.
    """
    expected = table_paths(expected).union(expected)
    for path in sorted(present_files(root, folders).difference(expected)):
        if path.removesuffix(PART_SUFFIX) not in expected:
            raise OutputError(
                f"{root / path}: does not belong to this build; move it away, or choose another "
                "--out"
            )
        remove_file(root / path)


def remove_build(root: Path, found: FolderContent, advance: Advance) -> None:
    """Remove what a build made, except masks, which are reused if they fit.

    Args:
        root: The output folder.
        found: What it holds.
        advance: Called with the number of files removed, and of all.

    Raises:
        OutputError: An image folder holds a file that the build did not make (then nothing is
            removed), or something cannot be removed.
    """
    clear_way(root, found.folders, found.paths)
    for name in (REPORT_PAGE, TIMINGS):  # first, because they describe the rest
        remove_file(root / REPORT_FOLDER / name)
    for number, path in enumerate(sorted(found.paths), 1):
        remove_file(root / path)
        advance(number, len(found.paths))
    for path in table_paths(found.paths):
        remove_file(root / path)
    for folder in sorted(found.folders):
        _remove_folder(root / folder)
        for parent in (root / folder).parents:  # a probe's versions are nested
            if parent == root or any(parent.iterdir()):
                break
            _remove_folder(parent)
    for name in SIDECARS:
        remove_file(root / name)
    remove_file(journal_path(root))


def _remove_folder(path: Path) -> None:
    """Remove an empty folder."""
    try:
        path.rmdir()
    except OSError as error:
        raise cannot("removed", path, error) from error


def _examine_finished(root: Path) -> FolderContent:
    try:
        report = read_build_json(root)
        identity, shards = report["identity"], dict(report["shards"])
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{root / BUILD}: damaged; restore it, or choose another --out"
        ) from error
    rows = read_manifest(root / MANIFEST)
    single: dict[str, WrittenFile] = {}
    packed: dict[str, list[Written]] = defaultdict(list)
    for row in rows:
        image = Written(row.path, row.sha256, row.width, row.height, row.params)
        if shard := shard_of(row.path):
            packed[shard].append(image)
        else:
            single[row.path] = image
    # A shard without a known checksum is made again.
    tars = {path: WrittenShard(path, shards.get(path, ""), tuple(packed[path])) for path in packed}
    return FolderContent("finished", identity, single | tars)
