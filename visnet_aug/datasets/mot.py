"""Sequences of the MOT Challenge: people cut out of frames by the boxes of their tracks.

A sequence is a folder with ``img1/000001.jpg``, ... and ``gt/gt.txt``, whose lines are ``frame, id,
left, top, width, height, considered, class, visibility``; in MOT15 and in files of trackers,
what follows ``considered`` is something else, and there are ten numbers. DanceTrack and SportsMOT
have the same layout. The dataset's folder is a sequence, or holds some, up to two levels below.

Every track is an identity and a tracklet, and every sequence a camera: no person is seen by two
cameras, so that this is for training. All sequences with ``gt/gt.txt`` are training images. MOT17
has every sequence three times, for three detectors: the first is taken. Boxes are cut when an image
is read, and encoded once, like their frame. Source: Dendorfer et al., *MOTChallenge: A Benchmark
for Single-Camera Multiple Target Tracking*, IJCV 2021.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from visnet_aug.datasets.images import UnusableImage
from visnet_aug.datasets.layout import Entry, Label, Listing, is_litter
from visnet_aug.datasets.record import Region, Split
from visnet_aug.errors import DatasetError, RecipeError

FRAMES: Final = "img1"
BOXES: Final = "gt/gt.txt"
PEDESTRIAN: Final = 1
"""The class of MOT16 and later that is a walking person."""

_DETECTORS = re.compile(r"(?P<name>.+)-(?:DPM|FRCNN|SDP)")
_COLUMNS: Final = (7, 9, 10)
_MAX_SIZE: Final = 100_000.0
"""Largest coordinate, in pixels, that is one."""


@dataclass(frozen=True, slots=True)
class Mot:
    """The layout.

    Attributes:
        min_height: Least height of a box, in pixels of the frame.
        min_visibility: Least share of the person that nothing hides, where it is known.
        margin: What is added on each side, as a share of the box's width and height.

    Raises:
        RecipeError: A value cannot be used.
    """

    min_height: int = 64
    min_visibility: float = 0.5
    margin: float = 0.0

    name = "mot"
    signs = f"sequences with {FRAMES}/ and {BOXES}"

    def __post_init__(self) -> None:
        """Refuse values that cannot be used."""
        if self.min_height < 1 or not 0 <= self.min_visibility <= 1 or not 0 <= self.margin <= 1:
            raise RecipeError(
                "boxes are cut with a min_height from 1, and min_visibility and margin from 0 to 1"
            )

    def recognise(self, root: Path) -> str | None:
        """Say which sequence there is."""
        sequences = _find_sequences(root)
        if not sequences:
            return None
        return (
            f"{len(sequences):,} sequences with {FRAMES}/ and {BOXES}, such as {sequences[0].name}"
        )

    def list_files(self, root: Path) -> Listing:
        """Read the boxes of all sequences.

        Raises:
            DatasetError: There is no sequence, or a line is no box.
        """
        sequences = _find_sequences(root)
        if not sequences:
            raise DatasetError(f"{root}: no sequence in it; MOT's layout wants {self.signs}")
        chosen = _one_per_detector(sequences)
        left_out: Counter[str] = Counter()
        entries = [
            entry
            for folder in chosen
            for entry in self._entries(folder, root, len(chosen) == 1, left_out)
        ]
        notes = [f"{count:,} boxes left out: {reason}" for reason, count in left_out.items()]
        if len(chosen) < len(sequences):
            notes.append(
                f"{len(sequences) - len(chosen)} sequences have the frames of others, for another "
                "detector, and are left out"
            )
        return Listing(
            entries,
            ignored=0,
            places=dict.fromkeys(get_args(Split), root),
            required=("train",),
            notes=tuple(notes),
        )

    def _entries(
        self, folder: Path, root: Path, alone: bool, left_out: Counter[str]
    ) -> Iterator[Entry]:
        """Yield the boxes of a sequence that are wanted."""
        frames = _frames(folder / FRAMES)
        place = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
        for box in _read_boxes(folder / BOXES):
            if reason := self._unwanted(box):
                left_out[reason] += 1
                continue
            name = frames.get(box.frame)
            label: Label | UnusableImage = Label(
                str(box.track) if alone else f"{folder.name}/{box.track}",
                folder.name,
                frame=box.frame,
                tracklet=box.track,
            )
            if name is None:
                name = f"{box.frame:06}.jpg"
                label = UnusableImage.because("unreadable", f"no frame {box.frame} in {FRAMES}/")
            origin = f"{place}{FRAMES}/{name}"
            yield Entry(origin, "train", f"{origin}#{box.track}", label, self._region(box))

    def _unwanted(self, box: _Box) -> str | None:
        if not box.considered:
            return "not considered, or no pedestrian"
        if box.height < self.min_height:
            return f"lower than {self.min_height} pixels"
        if box.visibility < self.min_visibility:
            return f"less than {self.min_visibility:g} of the person visible"
        return None

    def _region(self, box: _Box) -> Region:
        """Return a box in pixels from 0, whole ones, with its margin."""
        across, down = self.margin * box.width, self.margin * box.height
        left, top = box.left - 1, box.top - 1  # MOT counts pixels from 1
        return Region(
            math.floor(left - across),
            math.floor(top - down),
            math.ceil(left + box.width + across),
            math.ceil(top + box.height + down),
        )


@dataclass(frozen=True, slots=True)
class _Box:
    """A line of ``gt.txt``; pixels are counted from 1."""

    frame: int
    track: int
    left: float
    top: float
    width: float
    height: float
    considered: bool
    visibility: float


def _find_sequences(root: Path) -> list[Path]:
    """Find folders that are sequences with boxes: this one, or those one or two levels below."""
    if (root / BOXES).is_file() and (root / FRAMES).is_dir():
        return [root]
    for pattern in ("*", "*/*"):
        found = sorted(path.parents[1] for path in root.glob(f"{pattern}/{BOXES}"))
        if found := [path for path in found if (path / FRAMES).is_dir()]:
            return found
    return []


def _one_per_detector(sequences: Sequence[Path]) -> list[Path]:
    """Return the sequences without those that have the frames of one before."""
    chosen: dict[Path, Path] = {}
    for folder in sequences:
        match = _DETECTORS.fullmatch(folder.name)
        chosen.setdefault(folder.with_name(match["name"]) if match else folder, folder)
    return list(chosen.values())


def _frames(folder: Path) -> Mapping[int, str]:
    """Return the names of a sequence's frames by their numbers."""
    try:
        names = sorted(path.name for path in folder.iterdir() if not is_litter(path.name))
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be listed ({error.strerror}); correct it") from error
    return {int(Path(n).stem): n for n in names if re.fullmatch("[0-9]{1,12}", Path(n).stem)}


def _read_boxes(file: Path) -> Iterator[_Box]:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: cannot be read ({error}); restore it") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _parse(line, f"{file}:{number}")


def _parse(line: str, where: str) -> _Box:
    """Read a line.

    Raises:
        DatasetError: It is no box.
    """
    try:
        values = [float(cell) for cell in line.split(",")]
    except ValueError:
        values = []
    sized = values and all(abs(value) < _MAX_SIZE for value in values[2:6]) and min(values[4:6]) > 0
    whole = values and all(value.is_integer() and 0 <= value < 1e12 for value in values[:2])
    if len(values) not in _COLUMNS or not (sized and whole):
        raise DatasetError(
            f"{where}: {line[:80]!r} is not frame, id, left, top, width, height, considered, "
            "class, visibility; correct it"
        )
    kind, visibility = values[7:9] if len(values) == 9 else (float(PEDESTRIAN), 1.0)
    considered = values[6] != 0 and kind == PEDESTRIAN
    frame, track = int(values[0]), int(values[1])
    left, top, width, height = values[2:6]
    return _Box(frame, track, left, top, width, height, considered, visibility)


MOT: Final = Mot()
"""The layout, with its defaults."""
