"""MSMT17's layout: a folder a person, and lists that say which image is of whom, in which split.

``train/`` and ``test/`` (V1), or ``mask_train_v2/`` and ``mask_test_v2/`` (V2, faces blurred),
hold ``<pid>/<pid>_<image>_<camera>_<time>_....jpg``. Beside them are ``list_train.txt``,
``list_val.txt``, ``list_query.txt`` and ``list_gallery.txt`` with lines such as
``0000/0000_000_01_0303morning_0008_0.jpg 0``: path below the folder, identity. What no list has is
no part of the set. Source: Wei et al., *Person Transfer GAN to Bridge Domain Gap for Person
Re-Identification*, CVPR 2018.

- ``list_val.txt`` holds other images of the training identities, and counts as training: together
  they are the published 32,621. Much of the field trains on both (TransReID and its descendants);
  torchreid and fast-reid do so only with ``combineall``. The file may be missing.
- Identities start at 0, in training and again in test: number 0 is one person here and another
  there, and none of them a distractor. In the output, training identities are counted from 1, and
  test identities go on after the last of them.
- Names have no frame number. That of the image, unique within a person, distinguishes images.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from visnet_aug.datasets.images import UnusableImage
from visnet_aug.datasets.layout import SUFFIXES, Entry, Label, Listing, below, folders_near
from visnet_aug.datasets.record import Split
from visnet_aug.errors import DatasetError

VERSIONS: Final = (("V1", "train", "test"), ("V2", "mask_train_v2", "mask_test_v2"))
"""Each version's folders of training and of test images."""

LISTS: Final = MappingProxyType[str, Split](
    {
        "list_train.txt": "train",
        "list_val.txt": "train",
        "list_query.txt": "query",
        "list_gallery.txt": "gallery",
    }
)
"""The split of each list's images; the suffix may be missing, too."""

_OPTIONAL: Final = "list_val.txt"
_NAME = re.compile(
    rf"(?P<stem>[0-9]+_(?P<box>[0-9]{{1,6}})_(?P<camid>0*[1-9][0-9]{{0,3}})_.+?){SUFFIXES}"
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a list: the path below its folder, and the identity."""

    path: str
    pid: int


class Msmt17:
    """The layout, in both versions."""

    name = "msmt17"
    signs = "list_train.txt, list_query.txt, list_gallery.txt and folders " + " or ".join(
        f"{train}, {test} ({version})" for version, train, test in VERSIONS
    )

    def recognise(self, root: Path) -> str | None:
        """Say which lists and folders there are, if none is missing."""
        found = _version(root)
        if found is None or _missing_lists(root):
            return None
        version, train, test = found
        return f"lists such as list_train.txt beside {train} and {test} ({version})"

    def list_files(self, root: Path) -> Listing:
        """Read the lists.

        Raises:
            DatasetError: A list or folder is missing, or a list is damaged.
        """
        found = _version(root)
        if found is None or _missing_lists(root):
            raise DatasetError(self._what_is_missing(root))
        _, train, test = found
        files = {name: file for name in LISTS if (file := _find_list(root, name))}
        lists = {name: _read_list(file) for name, file in files.items()}
        people = max(
            (line.pid + 1 for name in lists if LISTS[name] == "train" for line in lists[name]),
            default=0,
        )
        entries = []
        for name, lines in lists.items():
            split = LISTS[name]
            folder, first = (train, 1) if split == "train" else (test, 1 + people)
            entries += [_entry(f"{folder}/{line.path}", split, first + line.pid) for line in lines]
        places = {LISTS[name]: file for name, file in files.items() if name != _OPTIONAL}
        return Listing(entries, 0, places, notes=tuple(_notes(lists, people)))

    def _what_is_missing(self, root: Path) -> str:
        missing = _missing_lists(root) or ["folder of its images"]
        near = next((folder for folder in folders_near(root) if self.recognise(folder)), None)
        meant = f"did you mean {near}?" if near else f"MSMT17's layout wants {self.signs}"
        return f"{root}: no {' nor '.join(missing)} in it; {meant}"


def _version(root: Path) -> tuple[str, str, str] | None:
    """Find out which version's folders are there."""
    return next(
        (
            version
            for version in VERSIONS
            if all((root / folder).is_dir() for folder in version[1:])
        ),
        None,
    )


def _missing_lists(root: Path) -> list[str]:
    return [name for name in LISTS if name != _OPTIONAL and not _find_list(root, name)]


def _find_list(root: Path, name: str) -> Path | None:
    """Find a list by its name, with or without ``.txt``."""
    files = (root / name, root / name.removesuffix(".txt"))
    return next((file for file in files if file.is_file()), None)


def _read_list(path: Path) -> list[_Line]:
    """Read a list of paths and identities.

    Raises:
        DatasetError: A line is none of them; the message has its number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); restore it") from error
    return [_parse(line, f"{path}:{n}") for n, line in enumerate(text.splitlines(), 1) if line]


def _parse(line: str, where: str) -> _Line:
    path, _, pid = line.strip().rpartition(" ")
    inside = below(path)
    if inside is None or not re.fullmatch(r"[0-9]{1,8}", pid):
        raise DatasetError(
            f"{where}: {line!r} is not <path below the folder> <identity>; correct it"
        )
    return _Line(inside, int(pid))


def _entry(origin: str, split: Split, pid: int) -> Entry:
    folder, _, name = origin.rpartition("/")
    match = _NAME.fullmatch(name)
    if match is None:
        what = "the name is not <pid>_<image>_<camera>_....jpg"
        return Entry(origin, split, origin, UnusableImage.because("bad_name", what))
    label = Label(pid, int(match["camid"]), box=int(match["box"]))
    return Entry(origin, split, f"{folder}/{match['stem']}", label)


def _notes(lists: Mapping[str, list[_Line]], people: int) -> Iterator[str]:
    yield (
        f"identities are counted on: training 0000 is 0001, test 0000 is {1 + people:04} "
        "(in MSMT17 both start at 0)"
    )
    if _OPTIONAL in lists:
        count = len(lists[_OPTIONAL])
        yield f"the {count:,} images of {_OPTIONAL} are training images; move the file away if not"


MSMT17: Final = Msmt17()
"""The layout."""
