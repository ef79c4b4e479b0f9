"""Makes the files of a plan that are not there yet, and keeps the journal meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from visnet_aug.builder.engine import Context, Engine, Item
from visnet_aug.builder.journal import Journal, WrittenFile, images_of, journal_path
from visnet_aug.builder.observer import Advance, Observer
from visnet_aug.builder.output import MANIFEST, Found, clear_way
from visnet_aug.builder.packing import images_in
from visnet_aug.builder.work import Work
from visnet_aug.files import make_folder, remove_file


def make_files(
    work: Work,
    found: Found,
    identity: Mapping[str, Any],
    context: Context,
    engine: Engine,
    observer: Observer,
) -> tuple[int, dict[str, WrittenFile]]:
    """Make the files of a plan that are not there yet.

    Args:
        work: All files.
        found: What the output folder holds.
        identity: Which build it is.
        context: What all files share.
        engine: Makes them.
        observer: Told about progress.

    Returns:
        How many images were there, and all files by path.

    Raises:
        VisnetError: One of its subclasses, as `Engine.make_files` and `clear_way` raise them.
    """
    out = context.out
    clear_way(out, work.folders, work.files)
    written = _still_sound(out, found, observer)
    before = sum(1 for _ in images_of(written.values()))
    with Journal(journal_path(out), identity, found.journal_size) as journal:
        for folder in work.folders:  # only now that the journal says whose they are
            make_folder(out / folder)
        if found.state == "finished":
            # Files of a finished build are missing: its manifest becomes a journal again.
            journal.finish(written.values())
            remove_file(out / MANIFEST)
        for stage, items in work.stages.items():
            left = [item for item in items if item.path not in written]
            with observer.stage(stage) as advance:
                total = sum(map(images_in, items))
                _run(left, total, context, engine, journal, written, advance)
    return before, written


def _run(
    left: Sequence[Item],
    total: int,
    context: Context,
    engine: Engine,
    journal: Journal,
    written: dict[str, WrittenFile],
    advance: Advance,
) -> None:
    """Make some files, noting each in the journal and in ``written``; ``total`` counts images."""
    done = total - sum(map(images_in, left))
    advance(done, total)

    def finished(files: Sequence[WrittenFile]) -> None:
        nonlocal done
        journal.finish(files)
        written.update((file.path, file) for file in files)
        done += sum(1 for _ in images_of(files))
        advance(done, total)

    engine.make_files(
        left,
        context,
        begun=lambda items: journal.begin(item.path for item in items),
        finished=finished,
    )


def _still_sound(out: Path, found: Found, observer: Observer) -> dict[str, WrittenFile]:
    """Return the files of an earlier run whose bytes are still what it wrote."""
    sound: dict[str, WrittenFile] = {}
    if not found.written:
        return sound
    with observer.stage("check") as advance:
        for number, (path, written) in enumerate(found.written.items(), 1):
            with suppress(OSError), (out / path).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == written.sha256:
                    sound[path] = written
            advance(number, len(found.written))
    return sound
