"""Market-1501's layout: three folders of crops whose names say who, where and when.

``<pid>_c<camera>s<sequence>_<frame>_<box>.jpg`` in ``bounding_box_train/`` (training),
``query/`` and ``bounding_box_test/`` (gallery). Other sets are passed around in this layout, so
numbers may have more digits than Market-1501's. Source: Zheng et al., *Scalable Person
Re-identification: A Benchmark*, ICCV 2015.

What a name alone decides, before any file is opened:

- Litter that operating systems leave (``Thumbs.db``, ``.DS_Store``, ``._*``) is ignored and
  counted. Anything else in a split's folder is an image or is rejected by name.
- ``x.jpg.jpg`` is an image; so are ``.jpeg``, ``.png`` and upper-case suffixes. Two files of one
  stem in a split are one image twice: the later by name is rejected.
- Junk (``-1``) and distractors (``0000``) belong in the gallery. In training they would make
  one identity of many people, and as a query they have no right answer: rejected.
- Test identities never enter training: training images of an identity that is also in query or
  gallery are rejected.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from visnet_aug.datasets.images import UnusableImage, inspect_image
from visnet_aug.datasets.record import (
    DISTRACTOR_PID,
    JUNK_PID,
    Dataset,
    ImageRecord,
    RejectedImage,
    Split,
)
from visnet_aug.errors import DatasetError

LAYOUT: Final = "market1501"

FOLDERS: Final = MappingProxyType[Split, str](
    {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
)
"""Folder of each split below the dataset's root."""

OnError = Literal["skip", "stop"]
Progress = Callable[[int, int], None]

_NAME = re.compile(
    r"(?P<stem>(?P<pid>-1|[0-9]{4,9})_c(?P<camid>[1-9][0-9]{0,3})s(?P<sequence>[0-9]{1,4})"
    r"_(?P<frame>[0-9]{6,12})_(?P<box>[0-9]{2,6}))(?i:\.(?:jpe?g|png))+"
)
_LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx"})
_BLOCK = 64
"""Images per task given to a thread: large against a task's cost, small against a progress bar."""


@dataclass(frozen=True, slots=True)
class _Name:
    """What a file name says."""

    stem: str
    pid: int
    camid: int
    sequence: int
    frame: int
    box: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in a split's folder; ``name`` is ``None`` where it does not parse."""

    path: Path
    split: Split
    name: _Name | None


def read_market1501(
    root: str | Path,
    *,
    on_error: OnError = "skip",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read every image of a dataset in Market-1501's layout, decoding each one to be sure of it.

    Args:
        root: The folder that holds ``bounding_box_train``, ``query`` and ``bounding_box_test``.
        on_error: ``skip`` lists unusable images in the result; ``stop`` raises at the first.
        workers: Threads; one per processor when ``None``.
        progress: Called with (files done, files in all) from the calling thread.

    Returns:
        The dataset, sorted by split (train, query, gallery) and then by file name.

    Raises:
        DatasetError: The folder is not such a dataset, a split has no usable image, or an image
            is unusable and ``on_error`` is ``stop``.
    """
    root = Path(root).expanduser().resolve()
    _check_folders(root)
    entries: list[_Entry] = []
    ignored = 0
    for split in FOLDERS:
        found, litter = _list_split(root, split)
        entries += found
        ignored += litter
    records: list[ImageRecord] = []
    rejected: list[RejectedImage] = []
    with closing(_inspect(entries, workers, progress)) as outcomes:
        for entry, outcome in zip(entries, outcomes, strict=True):
            if isinstance(outcome, ImageRecord):
                records.append(outcome)
                continue
            reason, detail = outcome.reason, outcome.detail
            if on_error == "stop":
                raise DatasetError(f"{_printable(entry.path)}: {reason}: {detail}")
            rejected.append(RejectedImage(entry.path, entry.split, reason, detail))
    dataset = Dataset(root, LAYOUT, FOLDERS, tuple(records), tuple(rejected), ignored)
    _check_splits(dataset)
    return dataset


def _parse_name(name: str) -> _Name | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    stem, *numbers = match.groups()
    return _Name(stem, *map(int, numbers))


def _list_split(root: Path, split: Split) -> tuple[list[_Entry], int]:
    """List one split's folder by name, without the litter, whose number is returned beside."""
    folder = root / FOLDERS[split]
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be listed ({error.strerror}); repair its permissions"
        ) from error
    wanted = [name for name in names if not (name[0] == "." or name.lower() in _LITTER)]
    entries = [_Entry(folder / name, split, _parse_name(name)) for name in wanted]
    return entries, len(names) - len(wanted)


def _judge_names(entries: Sequence[_Entry]) -> list[_Name | UnusableImage]:
    """Return each entry's parsed name, or why it is rejected whatever its bytes are."""
    test_pids = {entry.name.pid for entry in entries if entry.name and entry.split != "train"}
    first: dict[tuple[Split, str], str] = {}
    judged: list[_Name | UnusableImage] = []
    for entry in entries:
        verdict = _judge_name(entry, test_pids)
        if isinstance(verdict, _Name):
            original = first.setdefault((entry.split, verdict.stem), entry.path.name)
            if original != entry.path.name:
                verdict = UnusableImage.because("duplicate_stem", f"same image as {original}")
        judged.append(verdict)
    return judged


def _judge_name(entry: _Entry, test_pids: set[int]) -> _Name | UnusableImage:
    if entry.name is None:
        if entry.path.is_dir():
            return UnusableImage.because("subfolder", "a folder inside the split's folder")
        return UnusableImage.because(
            "bad_name", "the name is not <pid>_c<camera>s<sequence>_<frame>_<box>.jpg"
        )
    pid = entry.name.pid
    if entry.split != "gallery" and pid in (JUNK_PID, DISTRACTOR_PID):
        kind = "junk" if pid == JUNK_PID else "a distractor"
        return UnusableImage.because("no_identity", f"{kind} in {FOLDERS[entry.split]}")
    if entry.split == "train" and pid in test_pids:
        return UnusableImage.because("identity_leak", f"identity {pid} is a test identity, too")
    return entry.name


def _inspect(
    entries: Sequence[_Entry], workers: int | None, progress: Progress | None
) -> Generator[ImageRecord | UnusableImage, None, None]:
    """Yield each entry's outcome, in order; Pillow and hashlib let threads run side by side."""
    todo = list(zip(entries, _judge_names(entries), strict=True))
    blocks = [todo[start : start + _BLOCK] for start in range(0, len(todo), _BLOCK)]
    executor = ThreadPoolExecutor(workers or os.cpu_count())
    done = 0
    try:
        for outcomes in executor.map(lambda block: [_read(*item) for item in block], blocks):
            yield from outcomes
            done += len(outcomes)
            if progress is not None:
                progress(done, len(todo))
    finally:  # early when the caller stops at an unusable image or the user interrupts
        executor.shutdown(cancel_futures=True)


def _read(entry: _Entry, name: _Name | UnusableImage) -> ImageRecord | UnusableImage:
    if isinstance(name, UnusableImage):
        return name
    image = inspect_image(entry.path)
    if isinstance(image, UnusableImage):
        return image
    return ImageRecord(
        path=entry.path,
        name=entry.path.name,
        stem=name.stem,
        split=entry.split,
        pid=name.pid,
        camid=name.camid,
        sequence=name.sequence,
        frame=name.frame,
        box=name.box,
        width=image.width,
        height=image.height,
        sha256=image.sha256,
    )


def _check_folders(root: Path) -> None:
    """Refuse a root without the three folders, and say which folder was probably meant."""
    if not root.exists():
        raise DatasetError(f"{root}: no such folder; --src wants the folder of the dataset")
    if not root.is_dir():
        raise DatasetError(f"{root}: a file, not a folder; unpack it and give its folder")
    missing = [folder for folder in FOLDERS.values() if not (root / folder).is_dir()]
    if not missing:
        return
    meant = _find_dataset_near(root)
    if meant is not None:
        raise DatasetError(f"{root}: no {' nor '.join(missing)} in it; did you mean {meant}?")
    raise DatasetError(
        f"{root}: no {' nor '.join(missing)} in it; Market-1501's layout wants the folders "
        f"{', '.join(FOLDERS.values())}"
    )


def _find_dataset_near(root: Path) -> Path | None:
    """Look above (root is one split's folder) and up to two levels below (an unpacked zip)."""
    below = (path for pattern in ("*", "*/*") for path in sorted(root.glob(pattern)))
    for candidate in (root.parent, *islice(below, 1000)):
        if all((candidate / folder).is_dir() for folder in FOLDERS.values()):
            return candidate
    return None


def _check_splits(dataset: Dataset) -> None:
    """Refuse a dataset with a split that has no usable image."""
    for split, folder in dataset.folders.items():
        if dataset.split(split):
            continue
        rejected = [image for image in dataset.rejected if image.split == split]
        if not rejected:
            raise DatasetError(f"{dataset.root / folder}: no image in it; fill it or give another")
        reasons = Counter(image.reason for image in rejected)
        counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
        raise DatasetError(
            f"{dataset.root / folder}: no usable image in it ({counts}); the first is "
            f"{_printable(rejected[0].path)}: {rejected[0].detail}"
        )


def _printable(path: Path) -> str:
    """Return the path for a one-line message: names can hold line breaks and broken UTF-8."""
    return str(path) if str(path).isprintable() else repr(str(path))
