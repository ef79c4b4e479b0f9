"""Which folder of a dataset is which split.

- The innermost folder with a split's name decides: ``val/gallery/5/x.jpg`` is a gallery image.
- ``test`` and ``val`` above ``query`` or ``gallery`` are only containers. Any other two names that
  disagree on one path are an error.
- ``val`` alone holds images back from training: those of training identities are training images,
  and all others are left out.
- If no path has a split's name, all images are for training. But a folder that looks like a split
  (``bbox_test``, ``training``, ``valid``) without being one of `SPLIT_NAMES` is an error.

The user can map folders to splits by name or path, and leave a folder out with ``skip``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, get_args

from visnet_aug.datasets.record import Split
from visnet_aug.errors import DatasetError, RecipeError, printable

SPLIT_NAMES: Final = MappingProxyType[str, Split](
    {
        "train": "train",
        "train_all": "train",
        "bounding_box_train": "train",
        "image_train": "train",
        "query": "query",
        "image_query": "query",
        "gallery": "gallery",
        "test": "gallery",
        "bounding_box_test": "gallery",
        "image_test": "gallery",
    }
)
"""The split that a folder's name means, in lower case."""

VALIDATION: Final = ("val", "bounding_box_val")
"""Names of folders with images held back from training."""

SKIP: Final = "skip"
"""Marks a folder that is no part of the set."""

_MEANINGS: Final = (*get_args(Split), VALIDATION[0], SKIP)
_CONTAINERS: Final = ("test", "bounding_box_test", "image_test", *VALIDATION)
_LIKE: Final = frozenset(
    (
        "train",
        "trn",
        "training",
        "test",
        "tst",
        "testing",
        "val",
        "valid",
        "validation",
        "query",
        "queries",
        "probe",
        "probes",
        "gallery",
        "galleries",
        "eval",
        "evaluation",
        "dev",
        "trainval",
    )
)
_TESTED: Final = ("query", "gallery")
_SHOWN: Final = 6
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image belongs.

    Attributes:
        split: Its split; ``None`` if it is no part of the set.
        folder: The folder that says so, relative to the dataset's root; ``.`` where none does.
        depth: Number of folders on the path up to that one.
        validation: As `visnet_aug.datasets.layout.Entry`'s.
    """

    split: Split | None
    folder: str
    depth: int
    validation: bool = False


class Splits:
    """Reads splits off the names of folders.

    Args:
        names: What folders mean, by their names or paths below the dataset's root: ``train``,
            ``query``, ``gallery``, ``val`` or ``skip``.

    Raises:
        RecipeError: A folder is mapped to something else.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = {key.strip("/").lower(): value for key, value in (names or {}).items()}
        for key, value in self._names.items():
            if value not in _MEANINGS:
                raise RecipeError(
                    f"--split-names {key}={value}: {value!r} is not one of {', '.join(_MEANINGS)}"
                )

    def find(self, folders: Sequence[str]) -> Place | None:
        """Find the split that the folders of a path say; ``None`` if they say none.

        Raises:
            DatasetError: Two of them disagree.
        """
        named = list(self._named(folders))
        if not named:
            return None
        depth, meaning, said = named[-1]
        path = "/".join(folders[:depth])
        for outer, other, _ in named[:-1]:
            contains = folders[outer - 1].lower() in _CONTAINERS and meaning in _TESTED
            if other != meaning and not said and not contains:
                raise DatasetError(
                    f"{path}: both {folders[outer - 1]} and {folders[depth - 1]} on this path name "
                    f"a split; say which it is by --split-names {path}={meaning}"
                )
        return _place(meaning, path, depth)

    def read(self, word: str) -> Place:
        """Read a split that a table's cell or a pattern's group says.

        Raises:
            ValueError: It is none; the message lists what is.
        """
        meaning = self._meaning(word.strip().lower())
        if meaning is None:
            known = ", ".join((*SPLIT_NAMES, *VALIDATION))
            raise ValueError(
                f"split {word!r} is not one of {known}; say what it means by --split-names"
            )
        return _place(meaning, ".", 0)

    def find_all(self, root: Path, origins: Sequence[str]) -> tuple[list[Place | None], list[str]]:
        """Find the splits of all images of a dataset.

        Args:
            root: The dataset's folder, for messages.
            origins: Paths of the images, relative to it.

        Returns:
            The place of each, ``None`` where its path says none though others do; and what a person
            should know, a line each.

        Raises:
            DatasetError: As `find`, or there are folders that look like splits and are none.
        """
        places = [self.find(folders_of(origin)) for origin in origins]
        unplaced = [o for o, place in zip(origins, places, strict=True) if place is None]
        self._refuse_likes(root, unplaced)
        if len(unplaced) < len(origins) or not origins:
            return places, []
        everywhere = Place("train", ".", 0)
        return [everywhere] * len(origins), [
            f"no split in any path: all {len(origins):,} images are training images"
        ]

    def _named(self, folders: Sequence[str]) -> Iterator[tuple[int, str, bool]]:
        """Yield depth and meaning of the folders that mean a split; whether the user said so."""
        for depth, folder in enumerate(folders, 1):
            path = "/".join(folders[:depth]).lower()
            said = self._names.get(path) or self._names.get(folder.lower())
            if meaning := said or self._meaning(folder.lower()):
                yield depth, meaning, said is not None

    def _meaning(self, word: str) -> str | None:
        default = VALIDATION[0] if word in VALIDATION else SPLIT_NAMES.get(word)
        return self._names.get(word, default)

    def _refuse_likes(self, root: Path, origins: Iterable[str]) -> None:
        likes: Counter[str] = Counter()
        for origin in origins:
            folders = folders_of(origin)
            for depth, folder in enumerate(folders, 1):
                if _LIKE.intersection(_WORD.findall(folder.lower())):
                    likes["/".join(folders[:depth])] += 1
                    break
        if not likes:
            return
        first = min(likes)
        some = sorted(likes.items())[:_SHOWN]
        shown = ", ".join(f"{folder} ({count:,} images)" for folder, count in some)
        raise DatasetError(
            f"{printable(root)}: folders that look like splits and are not known: "
            f"{printable(shown)}; say what each is by --split-names {printable(first)}=train (or "
            f"{', '.join(_MEANINGS[1:])})"
        )


def folders_of(origin: str) -> list[str]:
    """Return the names of the folders on a path."""
    return origin.split("/")[:-1]


def splits_by_folder(places: Iterable[Place | None]) -> dict[str, Split]:
    """Return which folder became which split."""
    found = {place.folder: place.split for place in places if place is not None and place.split}
    return dict(sorted(found.items()))


def _place(meaning: str, folder: str, depth: int) -> Place:
    if meaning == SKIP:
        return Place(None, folder, depth)
    if meaning == VALIDATION[0]:
        return Place("train", folder, depth, validation=True)
    split = next(split for split in get_args(Split) if split == meaning)
    return Place(split, folder, depth)
