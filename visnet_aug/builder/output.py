"""The output folder: whose it is, what of a build is in it, and that nothing else is harmed.

A folder goes through four states: ``fresh`` (nothing but perhaps masks), ``unfinished`` (a
journal), ``finished`` (a manifest, no journal), and, with ``--force``, back to fresh. Only what
a journal or a manifest lists is ever removed, and what tells of it: tables, and the report's page.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from visnet_aug.builder.build_json import BUILD, read_build_json
from visnet_aug.builder.journal import FOLDER as STATE_FOLDER
from visnet_aug.builder.journal import (
    Written,
    WrittenFile,
    WrittenShard,
    journal_path,
    read_journal,
)
from visnet_aug.builder.lock import hold
from visnet_aug.builder.observer import Advance
from visnet_aug.errors import OutputError
from visnet_aug.files import PART_SUFFIX, cannot, part_of, remove_file
from visnet_aug.masks.store import FOLDER as MASK_FOLDER
from visnet_aug.masks.store import TABLE as MASK_TABLE
from visnet_aug.shards import shard_of, table_of

MANIFEST = "manifest.csv"
RECIPE = "recipe.yaml"
REJECTED = "rejected.csv"
CARD = "README.md"
CROISSANT = "croissant.json"
METADATA = "metadata.csv"
PARQUET = "manifest.parquet"
REPORT_FOLDER = "report"
REPORT_PAGE = "index.html"
TIMINGS = "timings.json"

TABLES = (MANIFEST, RECIPE, BUILD, REJECTED, CARD, CROISSANT)
"""What every finished build has beside its images and masks; see also `table_paths`."""

SIDECARS = (*TABLES, PARQUET)
"""The same with what there is if it was asked for."""

Identity: TypeAlias = Mapping[str, Any]
"""Which build it is: everything that decides its bytes, as plain JSON values."""

State: TypeAlias = Literal["fresh", "unfinished", "finished"]


@dataclass(frozen=True, slots=True)
class Found:
    """What an output folder holds.

    Attributes:
        state: See the module.
        identity: Which build it is; ``None`` where nothing says so.
        written: Finished files by path; of a finished build, those of its manifest.
        begun: Paths that may be there without being finished.
        journal_size: Bytes of the journal to go on from.
    """

    state: State
    identity: Identity | None = None
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


def check_apart(source: Path, out: Path) -> None:
    """Refuse an output inside the source or around it.

    Raises:
        OutputError: They overlap.
    """
    source, out = source.resolve(), out.resolve()
    if out == source or source in out.parents:
        raise OutputError(f"{out}: inside the source dataset {source}; choose another --out")
    if out in source.parents:
        raise OutputError(f"{out}: holds the source dataset {source}; choose another --out")


def examine(root: Path) -> Found:
    """Find out what an output folder holds.

    Raises:
        OutputError: It is no folder, cannot be read, or holds files that no build has made.
    """
    names = _names(root)
    if journal_path(root).exists():
        journal = read_journal(journal_path(root))
        return Found("unfinished", journal.identity, journal.written, journal.begun, journal.size)
    if _is_finished(names):
        return _examine_finished(root)
    _check_ours(root, names)
    return Found("fresh")


@contextmanager
def claim(root: Path) -> Iterator[None]:
    """Have an output folder to oneself, made if need be.

    While it is held, and afterwards if something unfinished is in it, its ``.visnet`` marks it as
    ours. A folder that was made for nothing is removed again.

    Raises:
        OutputError: It cannot be made, holds files that no build has made, or another process is
            at work in it.
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
            made.insert(0, root / STATE_FOLDER)  # says nothing that the folder doesn't say itself
        for folder in made:
            with suppress(OSError):  # not empty: a journal, or what was made
                folder.rmdir()


def release(root: Path) -> None:
    """Remove the journal: the manifest says now what is there.

    Raises:
        OutputError: It cannot be removed.
    """
    remove_file(journal_path(root))


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
            f"{root}: holds files that are not of a build, such as {foreign[0]}; "
            "choose an empty or new folder for --out"
        )


def _foreign(names: Sequence[str]) -> Sequence[str]:
    """Return what a build cannot have left; all of it where nothing says that there was one."""
    half_written = part_of(Path(MASK_TABLE)).name
    ours = {MASK_FOLDER, MASK_TABLE, half_written, STATE_FOLDER, REPORT_FOLDER}
    if STATE_FOLDER in names:
        ours.update(SIDECARS)  # left by a kill while a build was being removed
    marked = STATE_FOLDER in names or MASK_TABLE in names
    return [name for name in names if name not in ours or not marked]


def differences(there: Identity, here: Identity, prefix: str = "") -> Iterator[str]:
    """Yield a phrase for each value in which two builds differ."""
    for key in sorted({*there, *here}):
        old, new = there.get(key), here.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key} is {_short(old)} there and {_short(new)} here"


def check_same(root: Path, found: Found, identity: Identity) -> None:
    """Refuse to go on with a build that is another one.

    Args:
        root: The output folder.
        found: What it holds.
        identity: The build that is wanted, as far as it is known yet.

    Raises:
        OutputError: The folder holds another build; the message says what differs.
    """
    if found.identity is None:
        return
    there = {key: found.identity.get(key) for key in identity}
    changes = list(differences(there, identity))
    if changes:
        more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
        raise OutputError(
            f"{root}: holds another build: {changes[0]}{more}; --force starts over, or choose "
            "another --out"
        )


def check_masks(root: Path, found: Found, identity: Identity) -> None:
    """Refuse to go on with a build whose masks are no longer those that it was made with.

    Args:
        root: The output folder.
        found: What it holds.
        identity: The build that is wanted, its masks included.

    Raises:
        OutputError: Masks differ; the message says how many were edited by hand.
    """
    there = found.identity or {}
    if there.get("masks") in (None, identity["masks"]):
        return
    old, new = there.get("edited_masks", {}), identity["edited_masks"]
    edited = sorted(stem for stem in {*old, *new} if old.get(stem) != new.get(stem))
    what = "its masks are not those that it was built with"
    if edited:
        are = "mask was" if len(edited) == 1 else "masks were"
        what = f"{len(edited):,} {are} edited by hand since it was built, such as {edited[0]}"
    raise OutputError(f"{root}: {what}; --force builds it again with the masks as they are now")


def table_paths(files: Iterable[str]) -> set[str]:
    """Return where tables are, or will be: one beside each shard, one in each image folder."""
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
        OutputError: A file is there that no build has made, or one cannot be removed.
    """
    expected = table_paths(expected).union(expected)
    for path in sorted(present_files(root, folders).difference(expected)):
        if path.removesuffix(PART_SUFFIX) not in expected:
            raise OutputError(
                f"{root / path}: not of this build; move it away, or choose another --out"
            )
        remove_file(root / path)


def remove_build(root: Path, found: Found, advance: Advance) -> None:
    """Remove what a build has made, except masks, which are reused if they fit.

    Args:
        root: The output folder.
        found: What it holds.
        advance: Told how many files are removed, of how many.

    Raises:
        OutputError: An image folder holds a file that the build has not made (nothing is removed
            then), or something cannot be removed.
    """
    clear_way(root, found.folders, found.paths)
    for name in (REPORT_PAGE, TIMINGS):  # first, as they tell of all the rest
        remove_file(root / REPORT_FOLDER / name)
    for number, path in enumerate(sorted(found.paths), 1):
        remove_file(root / path)
        advance(number, len(found.paths))
    for path in table_paths(found.paths):
        remove_file(root / path)
    for folder in sorted(found.folders):
        _remove_folder(root / folder)
        for parent in (root / folder).parents:  # of a probe's versions
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


def _examine_finished(root: Path) -> Found:
    from visnet_aug.manifest import read_manifest

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
    # A shard whose checksum is not known is not known to be sound, and is made again.
    tars = {path: WrittenShard(path, shards.get(path, ""), tuple(packed[path])) for path in packed}
    return Found("finished", identity, single | tars)


def _short(value: object) -> str:
    """Show a value of an identity on part of a line."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
