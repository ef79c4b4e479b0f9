"""Reads a dataset in any layout: judges names, opens every file, and chooses images.

Whatever the layout, the resulting dataset has Market-1501's folders and names
(`visnet_aug.datasets.naming`), so that every tool reads the output.

Rules of all layouts:

- Two files in a split with one stem and the same bytes are one image: the second is rejected.
- Junk (``-1``) and distractors (``0``) belong in the gallery. Elsewhere they are rejected: in
  training they would be one identity with many people, and as a query they have no right answer.
- Test identities never enter training: training images of an identity that is also in query or
  gallery are rejected.
- Images held back from training for validation are training images if their identity is one, and
  rejected otherwise.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from visnet_aug.datasets.counts import describe_rejected
from visnet_aug.datasets.holdout import Holdout, hold_out
from visnet_aug.datasets.images import UnusableImage
from visnet_aug.datasets.inspection import Source, inspect_files
from visnet_aug.datasets.layout import FOLDERS, LIMITS, Entry, Label, Layout, Listing
from visnet_aug.datasets.memory import check_memory
from visnet_aug.datasets.naming import Named, give_names
from visnet_aug.datasets.numbering import number
from visnet_aug.datasets.record import (
    Dataset,
    ImageRecord,
    RejectedImage,
    Split,
)
from visnet_aug.datasets.sources import Look, SourceImage
from visnet_aug.datasets.thinning import Frame, Thinning, keep_different, keep_every
from visnet_aug.errors import DatasetError, printable
from visnet_aug.manifest import DISTRACTOR_PID, JUNK_PID

if TYPE_CHECKING:
    from visnet_aug.progress import Advance

OnError: TypeAlias = Literal["skip", "stop"]
Rejected: TypeAlias = tuple[Entry, UnusableImage]
Opened: TypeAlias = tuple[Named, SourceImage | UnusableImage]
Usable: TypeAlias = tuple[Named, SourceImage]

_ORDER: Final[Mapping[Split, int]] = {split: n for n, split in enumerate(get_args(Split))}
_STEP: Final = 64
"""Files between two reports of progress."""

_UNTOLD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\\]|\A[A-Za-z]:")
"""What a path in a manifest must not contain."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a dataset of any layout is read.

    Attributes:
        on_error: ``skip`` lists unusable images in the result; ``stop`` raises at the first.
        strict: Whether only plain images are usable, and nothing is converted; see
            `visnet_aug.datasets.conversion`.
        one_camera_per_image: Whether every image counts as one of another camera: for sets with
            unknown cameras in which query and gallery never show the same moment.
        thinning: Which frames of tracklets are kept.
        holdout: How query and gallery are drawn, for a set that has none.
        workers: Processes; one per processor, if there is enough to do, when ``None``.
        progress: Called with (files done, files in all) from the calling thread.
    """

    on_error: OnError = "skip"
    strict: bool = False
    one_camera_per_image: bool = False
    thinning: Thinning = field(default_factory=Thinning)
    holdout: Holdout | None = None
    workers: int | None = None
    progress: Advance | None = None


def read_layout(root: Path, layout: Layout, reading: Reading | None = None) -> Dataset:
    """Read every image of a dataset, decoding each one to be sure of it.

    Args:
        root: Folder of the dataset.
        layout: How it is arranged.
        reading: How to read it.

    Returns:
        The dataset, sorted by split (train, query, gallery) and then by name.

    Raises:
        DatasetError: The folder is not such a dataset, a split has no usable image, or an image
            is unusable and ``on_error`` is ``stop``.
        WorkerError: A worker process died.
    """
    reading = reading or Reading()
    listing = layout.list_files(root)
    check_memory(len(listing.entries))
    named, rejected = _judge(listing, reading)
    _stop_at(root, rejected, reading)
    wanted = _thin_by_number(named, reading.thinning)
    opened, twins = _without_twins(_open(root, wanted, reading))
    rejected += [(one.entry, found) for one, found in opened if isinstance(found, UnusableImage)]
    usable = [(one, found) for one, found in opened if isinstance(found, SourceImage)]
    kept = _thin_by_hash(usable, reading.thinning)
    records = [_record(root, one, image) for one, image in kept]
    dataset = Dataset(
        root=root,
        layout=layout.name,
        folders=FOLDERS,
        records=tuple(sorted(records, key=lambda record: (_ORDER[record.split], record.name))),
        rejected=_list_rejected(root, [*rejected, *twins]),
        ignored=listing.ignored,
        notes=listing.notes,
        splits=listing.splits,
        passed_over=listing.passed_over,
        thinned=len(named) - len(wanted) + len(usable) - len(kept),
    )
    if reading.holdout is not None:
        dataset = hold_out(dataset, reading.holdout)
    _check_splits(dataset, listing)
    return dataset


def _judge(listing: Listing, reading: Reading) -> tuple[list[Named], list[Rejected]]:
    """Judge all entries by what is known before any file is opened, and name the good ones.

    Names are given in the order of paths, so that they do not depend on how files were listed.
    """
    entries = sorted(listing.entries, key=lambda entry: (_ORDER[entry.split], entry.origin))
    rejected = [(e, e.label) for e in entries if isinstance(e.label, UnusableImage)]
    labelled = [(e, e.label) for e in entries if isinstance(e.label, Label)]
    if reading.one_camera_per_image:
        labelled = list(_one_camera_each(labelled))
    numbers = list(number(label for _, label in labelled))
    test_pids = {
        n.pid for (entry, _), n in zip(labelled, numbers, strict=True) if entry.split != "train"
    }
    train_pids = {
        n.pid
        for (entry, _), n in zip(labelled, numbers, strict=True)
        if entry.split == "train" and not entry.validation
    }
    good = []
    for (entry, label), of_entry in zip(labelled, numbers, strict=True):
        problem = _problem(entry, of_entry.pid, test_pids, train_pids)
        if problem is None:
            good.append((entry, label, of_entry))
        else:
            rejected.append((entry, problem))
    return give_names(good, listing.keeps_names), rejected


def _one_camera_each(labelled: Sequence[tuple[Entry, Label]]) -> Iterator[tuple[Entry, Label]]:
    """Give the images of every identity cameras of their own.

    No two images of an identity then share a camera, which is all that a ranking compares. The
    numbers start again with each identity, so that few are enough.
    """
    count: Counter[int | str] = Counter()
    _, most = LIMITS["camid"]
    for entry, label in labelled:
        count[label.pid] += 1
        if count[label.pid] > most:
            raise DatasetError(
                f"over {most:,} images of identity {label.pid}, more than names have room for "
                "cameras; leave out --one-camera-per-image"
            )
        yield entry, replace(label, camid=count[label.pid])


def _problem(
    entry: Entry, pid: int, test_pids: set[int], train_pids: set[int]
) -> UnusableImage | None:
    """Return why an entry cannot be used, whatever its bytes are; ``None`` if it can."""
    if entry.split != "gallery" and pid in (JUNK_PID, DISTRACTOR_PID):
        kind = "junk" if pid == JUNK_PID else "a distractor"
        return UnusableImage.because("no_identity", f"{kind} in {FOLDERS[entry.split]}")
    if entry.split == "train" and pid in test_pids:
        return UnusableImage.because("identity_leak", f"identity {pid} is a test identity, too")
    if entry.validation and pid not in train_pids:
        what = f"identity {pid} is in a folder for validation alone"
        return UnusableImage.because("no_split", what)
    if _UNTOLD.search(entry.origin):
        what = "the path has a backslash or control character, or is no UTF-8"
        return UnusableImage.because("bad_name", what)
    return None


def _open(root: Path, named: Sequence[Named], reading: Reading) -> list[Opened]:
    """Open all files; each once, though it be a frame with many people on it.

    Raises:
        DatasetError: An image is unusable and the reading is to stop at such.
    """
    by_file: dict[str, list[Named]] = {}
    for one in named:
        by_file.setdefault(one.entry.origin, []).append(one)
    sources: list[Source] = [
        (f"{root}/{origin}", tuple(one.entry.region for one in of_file))
        for origin, of_file in by_file.items()
    ]
    look = Look(reading.strict, hashed=reading.thinning.min_distance > 0)
    opened: list[Opened] = []
    with closing(inspect_files(sources, look, reading.workers)) as outcomes:
        for done, (of_file, found) in enumerate(zip(by_file.values(), outcomes, strict=True), 1):
            for one, outcome in zip(of_file, found, strict=True):
                if isinstance(outcome, UnusableImage):
                    _stop_at(root, [(one.entry, outcome)], reading)
                opened.append((one, outcome))
            if reading.progress is not None and (done % _STEP == 0 or done == len(sources)):
                reading.progress(done, len(sources))
    return opened


def _stop_at(root: Path, rejected: Sequence[Rejected], reading: Reading) -> None:
    """Raise an error about the first rejected image, if a reading is to stop at such."""
    if rejected and reading.on_error == "stop":
        entry, problem = rejected[0]
        path = printable(root / entry.origin)
        raise DatasetError(f"{path}: {problem.reason}: {problem.detail}")


def _without_twins(opened: Iterable[Opened]) -> tuple[list[Opened], list[Rejected]]:
    """Reject all but the first of images with one stem and the same bytes."""
    first: dict[tuple[Split, str, str], Entry] = {}
    kept: list[Opened] = []
    rejected: list[Rejected] = []
    for one, found in opened:
        entry = one.entry
        if isinstance(found, SourceImage):
            twin = first.setdefault((entry.split, entry.stem, found.sha256), entry)
            if twin is not entry:
                what = f"same image as {twin.file_name}"
                rejected.append((entry, UnusableImage.because("duplicate_stem", what)))
                continue
        kept.append((one, found))
    return kept, rejected


def _thin_by_number(named: list[Named], thinning: Thinning) -> list[Named]:
    if thinning.every == 1:
        return named
    return list(compress(named, keep_every([_frame(one) for one in named], thinning.every)))


def _thin_by_hash(usable: list[Usable], thinning: Thinning) -> list[Usable]:
    if thinning.min_distance == 0:
        return usable
    frames = [_frame(one) for one, _ in usable]
    hashes = [image.hashed for _, image in usable]
    return list(compress(usable, keep_different(frames, hashes, thinning.min_distance)))


def _frame(one: Named) -> Frame:
    tracklet = one.label.tracklet
    whose = one.entry.split, one.numbers.pid, one.numbers.camid, tracklet
    order = one.label.frame or 0, one.entry.origin
    return Frame(None if tracklet is None else whose, order)


def _record(root: Path, one: Named, image: SourceImage) -> ImageRecord:
    return ImageRecord(
        path=root / one.entry.origin,
        name=one.file_name(image.suffix, plain=image.region is None and not image.conversion),
        stem=one.stem,
        split=one.entry.split,
        pid=one.numbers.pid,
        camid=one.numbers.camid,
        sequence=one.label.sequence,
        frame=one.label.frame,
        box=one.box,
        width=image.width,
        height=image.height,
        sha256=image.sha256,
        identity=one.numbers.identity,
        camera=one.numbers.camera,
        tracklet=one.label.tracklet,
        region=image.region,
        conversion=image.conversion,
    )


def _list_rejected(root: Path, rejected: Iterable[Rejected]) -> tuple[RejectedImage, ...]:
    ordered = sorted(rejected, key=lambda one: (_ORDER[one[0].split], one[0].origin))
    return tuple(
        RejectedImage(root / entry.origin, entry.split, problem.reason, problem.detail)
        for entry, problem in ordered
    )


def _check_splits(dataset: Dataset, listing: Listing) -> None:
    """Refuse a dataset with a required split that has no usable image.

    Where query and gallery are not required, neither of them is of use without the other.
    """
    required = set(listing.required)
    found = {record.split for record in dataset.records}
    if (found | {image.split for image in dataset.rejected}) - {"train"}:
        required |= {"query", "gallery"}
    for split in sorted(required - found, key=lambda split: _ORDER[split]):
        place = printable(listing.places[split])
        rejected = [image for image in dataset.rejected if image.split == split]
        if rejected:
            raise DatasetError(
                f"{place}: no usable image in {split} ({describe_rejected(dataset, rejected)})"
            )
        meant = "fill it, or give --split-query N to draw queries from the gallery"
        remedy = meant if split == "query" and "gallery" in found else "fill it or give another"
        raise DatasetError(f"{place}: no image in {split}; {remedy}")
