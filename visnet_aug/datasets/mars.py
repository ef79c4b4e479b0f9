"""MARS's layout: tracklets in a folder for each person.

``bbox_train/`` and ``bbox_test/`` hold ``<pid>/<pid>C<camera>T<tracklet>F<frame>.jpg``, such as
``0001/0001C1T0001F001.jpg``. In ``bbox_test/``, ``00-1`` is junk and ``0000`` distractors. Which
tracklets are queries is in ``info/query_IDX.mat`` and ``info/tracks_test_info.mat``, as MATLAB 5
files, which are read with SciPy. Without them, all of ``bbox_test/`` is gallery. Source: Zheng et
al., *MARS: A Video Benchmark for Large-Scale Person Re-identification*, ECCV 2016.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from visnet_aug.datasets.images import DECODER_ERRORS, UnusableImage
from visnet_aug.datasets.layout import SUFFIXES, Entry, Label, Listing
from visnet_aug.datasets.record import Split
from visnet_aug.datasets.walk import find_files
from visnet_aug.errors import DatasetError
from visnet_aug.manifest import JUNK_PID

TRAIN: Final = "bbox_train"
TEST: Final = "bbox_test"
TRACKS: Final = "info/tracks_test_info.mat"
QUERIES: Final = "info/query_IDX.mat"
NAMES: Final = "info/test_name.txt"

_NAME = re.compile(
    rf"(?P<stem>(?P<pid>00-1|[0-9]{{4}})C(?P<camid>[1-9])T(?P<tracklet>[0-9]{{1,6}})"
    rf"F(?P<frame>[0-9]{{1,6}})){SUFFIXES}"
)
_EXAMPLE: Final = "0001C1T0001F001.jpg"


class Mars:
    """The layout."""

    name = "mars"
    signs = f"{TRAIN}, {TEST} with names like 0001/{_EXAMPLE}"

    def recognise(self, root: Path) -> str | None:
        """Say which folders and names there are, if both are MARS's."""
        if not all((root / folder).is_dir() for folder in (TRAIN, TEST)):
            return None
        example = next((root / TRAIN).glob("[0-9]*/*C*T*F*"), None)
        if example is None or not _NAME.fullmatch(example.name):
            return None
        return f"{TRAIN}, {TEST} with names like {example.name}"

    def list_files(self, root: Path) -> Listing:
        """List the tracklets' images.

        Raises:
            DatasetError: A folder is missing, or a file in ``info/`` is damaged.
        """
        missing = [folder for folder in (TRAIN, TEST) if not (root / folder).is_dir()]
        if missing:
            raise DatasetError(f"{root}: no {' nor '.join(missing)} in it; MARS has {self.signs}")
        queries, notes = _read_queries(root)
        entries: list[Entry] = []
        ignored = 0
        for folder in (TRAIN, TEST):
            found = find_files(root / folder)
            ignored += sum(found.others.values())
            entries += (_entry(f"{folder}/{path}", queries) for path in found.images)
        places: dict[Split, Path] = {
            "train": root / TRAIN, "query": root / QUERIES, "gallery": root / TEST
        }  # fmt: skip
        return Listing(entries, ignored, places, required=("train",), notes=notes)


def _entry(origin: str, queries: frozenset[str]) -> Entry:
    folder, _, name = origin.rpartition("/")
    tested = folder.startswith(TEST)
    split: Split = "train" if not tested else "query" if name in queries else "gallery"
    match = _NAME.fullmatch(name)
    if match is None:
        problem = UnusableImage.because("bad_name", f"the name is not like {_EXAMPLE}")
        return Entry(origin, split, origin, problem)
    label = Label(
        pid=JUNK_PID if match["pid"] == "00-1" else int(match["pid"]),
        camid=int(match["camid"]),
        frame=int(match["frame"]),
        tracklet=int(match["tracklet"]),
    )
    return Entry(origin, split, f"{folder}/{match['stem']}", label)


def _read_queries(root: Path) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the names of query images, and what a person should know.

    Raises:
        DatasetError: A file of ``info/`` is damaged, or they do not fit together.
    """
    missing = [name for name in (NAMES, TRACKS, QUERIES) if not (root / name).is_file()]
    if missing:
        note = f"no {missing[0]}: all of {TEST} is gallery; --split-query 1 draws queries from it"
        return frozenset(), (note,)
    try:
        names = (root / NAMES).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{root / NAMES}: cannot be read ({error}); restore it") from error
    tracks = _read_matrix(root / TRACKS, "track_test_info")
    queries = {
        name
        for (number,) in _read_matrix(root / QUERIES, "query_IDX", columns=1)
        for name in _names_of(number, tracks, names, root / QUERIES)
    }
    return frozenset(queries), ()


def _names_of(
    number: int, tracks: Sequence[Sequence[int]], names: Sequence[str], file: Path
) -> Sequence[str]:
    """Return the names of a track's images; tracks and images are counted from 1."""
    if not 1 <= number <= len(tracks) or not 1 <= tracks[number - 1][0] <= len(names):
        raise DatasetError(f"{file}: query {number} is no track of {TRACKS}; restore info/")
    first, last = tracks[number - 1][:2]
    return names[first - 1 : last]


def _read_matrix(file: Path, variable: str, columns: int = 4) -> list[list[int]]:
    """Read a matrix of whole numbers out of a MATLAB file.

    Raises:
        DatasetError: It is damaged, or has no such matrix.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        values = loadmat(file)[variable].astype(int).reshape(-1, columns).tolist()
    except (MatReadError, zlib.error, NotImplementedError, *DECODER_ERRORS) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(
            f"{file}: no {variable} of {columns} columns in it ({reason}); restore it"
        ) from error
    return list(values)


MARS: Final = Mars()
"""The layout."""
