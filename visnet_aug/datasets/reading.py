"""Reads a dataset in any layout: judges names, opens every image, and gives output names.

Whatever the layout, the resulting dataset has Market-1501's folders and names, so that every tool
reads the output. Files of that layout keep their names; others get a name from their labels,
``<pid>_c<camera>s<sequence>_<frame>_<box>``: an unknown sequence is 1, an unknown frame 0, and the
box, if necessary, the next number among images that agree in everything else.

Rules of all layouts:

- Two files with one stem in a split are the same image: the second is rejected.
- Junk (``-1``) and distractors (``0``) belong in the gallery. Elsewhere they are rejected: in
  training they would be one identity with many people, and as a query they have no right answer.
- Test identities never enter training: training images of an identity that is also in query or
  gallery are rejected.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from visnet_aug.datasets.images import UnusableImage, UsableImage
from visnet_aug.datasets.inspection import inspect_files
from visnet_aug.datasets.layout import FOLDERS, Entry, Label, Layout, Listing
from visnet_aug.datasets.record import (
    Dataset,
    ImageRecord,
    RejectedImage,
    Split,
)
from visnet_aug.errors import DatasetError, printable
from visnet_aug.manifest import DISTRACTOR_PID, JUNK_PID

if TYPE_CHECKING:
    from visnet_aug.progress import Advance

OnError: TypeAlias = Literal["skip", "stop"]

_ORDER: Final[Mapping[Split, int]] = {split: n for n, split in enumerate(get_args(Split))}
_STEP: Final = 64
"""Files between two reports of progress."""

_UNTOLD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\\]|\A[A-Za-z]:")
"""What a path in a manifest must not contain."""


@dataclass(frozen=True, slots=True)
class _Named:
    """An entry with its name in the output, or with the reason why it has none."""

    entry: Entry
    name: str
    stem: str
    label: Label | UnusableImage


def read_layout(
    root: Path,
    layout: Layout,
    *,
    on_error: OnError = "skip",
    workers: int | None = None,
    progress: Advance | None = None,
) -> Dataset:
    """Read every image of a dataset, decoding each one to be sure of it.

    Args:
        root: Folder of the dataset.
        layout: How it is arranged.
        on_error: ``skip`` lists unusable images in the result; ``stop`` raises at the first.
        workers: Processes; one per processor, if there is enough to do, when ``None``.
        progress: Called with (files done, files in all) from the calling thread.

    Returns:
        The dataset, sorted by split (train, query, gallery) and then by name.

    Raises:
        DatasetError: The folder is not such a dataset, a split has no usable image, or an image
            is unusable and ``on_error`` is ``stop``.
        WorkerError: A worker process died.
    """
    listing = layout.list_files(root)
    todo = _name(listing)
    records: list[ImageRecord] = []
    rejected: list[RejectedImage] = []
    with closing(_inspect(root, todo, workers, progress)) as outcomes:
        for named, outcome in zip(todo, outcomes, strict=True):
            if isinstance(outcome, ImageRecord):
                records.append(outcome)
                continue
            path, split = root / named.entry.origin, named.entry.split
            if on_error == "stop":
                raise DatasetError(f"{printable(path)}: {outcome.reason}: {outcome.detail}")
            rejected.append(RejectedImage(path, split, outcome.reason, outcome.detail))
    dataset = Dataset(
        root=root,
        layout=layout.name,
        folders=FOLDERS,
        records=tuple(records),
        rejected=tuple(rejected),
        ignored=listing.ignored,
        notes=listing.notes,
    )
    _check_splits(dataset, listing)
    return dataset


def _name(listing: Listing) -> list[_Named]:
    """Judge all entries by their labels; give them their names in the output, and sort them.

    Names are given in the order of paths, so that they do not depend on how files were listed.
    """
    entries = sorted(listing.entries, key=lambda entry: (_ORDER[entry.split], entry.origin))
    names = _Names()
    todo = []
    for entry, label in zip(entries, _judge(entries), strict=True):
        name, stem = entry.file_name, entry.stem
        if isinstance(label, Label) and not listing.keeps_names:
            stem, label = names.give(entry.split, label)
            name = f"{stem}{'.png' if name.lower().endswith('.png') else '.jpg'}"
        todo.append(_Named(entry, name, stem, label))
    return sorted(todo, key=lambda item: (_ORDER[item.entry.split], item.name))


class _Names:
    """Gives images names in Market-1501's form, from their labels."""

    def __init__(self) -> None:
        self._taken: set[tuple[Split, str]] = set()
        self._next: Counter[tuple[Split, str]] = Counter()

    def give(self, split: Split, label: Label) -> tuple[str, Label]:
        """Return a stem that no other image of the split has, and the label with its box."""
        who = "-1" if label.pid == JUNK_PID else f"{label.pid:04}"
        sequence = 1 if label.sequence is None else label.sequence
        start = f"{who}_c{label.camid}s{sequence}_{label.frame or 0:06}"
        box = self._next[split, start] if label.box is None else label.box
        if (split, f"{start}_{box:02}") in self._taken:
            box = self._next[split, start]
        stem = f"{start}_{box:02}"
        self._taken.add((split, stem))
        self._next[split, start] = max(self._next[split, start], box + 1)
        return stem, replace(label, box=box)


def _judge(entries: Sequence[Entry]) -> Iterator[Label | UnusableImage]:
    """Yield each entry's label, or why it is rejected without being opened."""
    test_pids = {
        entry.label.pid
        for entry in entries
        if isinstance(entry.label, Label) and entry.split != "train"
    }
    first: dict[tuple[Split, str], str] = {}
    for entry in entries:
        verdict = _judge_label(entry, test_pids)
        key = entry.split, entry.stem
        if isinstance(verdict, UnusableImage):
            yield verdict
            continue
        if _UNTOLD.search(entry.origin):
            what = "the path has a backslash or control character, or is no UTF-8"
            verdict = UnusableImage.because("bad_name", what)
        elif key in first:
            verdict = UnusableImage.because("duplicate_stem", f"same image as {first[key]}")
        else:
            first[key] = entry.file_name
        yield verdict


def _judge_label(entry: Entry, test_pids: set[int]) -> Label | UnusableImage:
    if isinstance(entry.label, UnusableImage):
        return entry.label
    pid = entry.label.pid
    if entry.split != "gallery" and pid in (JUNK_PID, DISTRACTOR_PID):
        kind = "junk" if pid == JUNK_PID else "a distractor"
        return UnusableImage.because("no_identity", f"{kind} in {FOLDERS[entry.split]}")
    if entry.split == "train" and pid in test_pids:
        return UnusableImage.because("identity_leak", f"identity {pid} is a test identity, too")
    return entry.label


def _inspect(
    root: Path, todo: Sequence[_Named], workers: int | None, progress: Advance | None
) -> Generator[ImageRecord | UnusableImage]:
    """Yield each entry's outcome, in order."""
    paths = [f"{root}/{item.entry.origin}" for item in todo if isinstance(item.label, Label)]
    with closing(inspect_files(paths, workers)) as found:
        for done, item in enumerate(todo, 1):
            if isinstance(item.label, Label):
                yield _record(root, item, item.label, next(found))
            else:
                yield item.label
            if progress is not None and (done % _STEP == 0 or done == len(todo)):
                progress(done, len(todo))


def _record(
    root: Path, item: _Named, label: Label, image: UsableImage | UnusableImage
) -> ImageRecord | UnusableImage:
    if isinstance(image, UnusableImage):
        return image
    return ImageRecord(
        path=root / item.entry.origin,
        name=item.name,
        stem=item.stem,
        split=item.entry.split,
        pid=label.pid,
        camid=label.camid,
        sequence=label.sequence,
        frame=label.frame,
        box=label.box,
        width=image.width,
        height=image.height,
        sha256=image.sha256,
    )


def _check_splits(dataset: Dataset, listing: Listing) -> None:
    """Refuse a dataset with a required split that has no usable image.

    Where query and gallery are not required, neither of them is of use without the other.
    """
    required = set(listing.required)
    found = {record.split for record in dataset.records}
    if (found | {image.split for image in dataset.rejected}) - {"train"}:
        required |= {"query", "gallery"}
    for split in sorted(required, key=lambda split: _ORDER[split]):
        if split in found:
            continue
        place = listing.places[split]
        rejected = [image for image in dataset.rejected if image.split == split]
        if not rejected:
            raise DatasetError(f"{place}: no image in it; fill it or give another")
        reasons = Counter(image.reason for image in rejected)
        counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
        raise DatasetError(
            f"{place}: no usable image in it ({counts}); the first is "
            f"{printable(rejected[0].path)}: {rejected[0].detail}"
        )
