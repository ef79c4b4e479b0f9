r"""Any folder of images, by a regular expression that reads identity and camera off their paths.

The expression must match the whole path of an image, relative to the dataset's folder, with ``/``:
``(?P<pid>\w+)/cam(?P<camid>\w+)_.*``. Its groups ``pid`` and ``camid`` are any texts, numbered as
`visnet_aug.datasets.numbering` says; without ``camid``, or where it matches nothing, the camera is
unknown. ``sequence``, ``frame`` and ``tracklet`` may be there, too, as whole numbers. The group
``split`` says which split; without it, folders do, as `visnet_aug.datasets.splits` says.

Images that the expression does not match are rejected. The time that an expression takes which
backtracks without end is its author's to wait for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, get_args

from visnet_aug.datasets.images import UnusableImage
from visnet_aug.datasets.layout import Entry, Label, Listing, parse_number
from visnet_aug.datasets.numbering import read_camera, read_identity
from visnet_aug.datasets.record import Split
from visnet_aug.datasets.splits import Place, Splits, splits_by_folder
from visnet_aug.datasets.walk import find_files, image_stem
from visnet_aug.errors import DatasetError, RecipeError

REQUIRED: Final = ("pid",)
OPTIONAL: Final = ("sequence", "frame", "tracklet")

_EXAMPLE: Final = r"(?P<pid>\w+)/cam(?P<camid>\w+)_.*"


@dataclass(frozen=True)
class Pattern:
    """The layout of a regular expression.

    Attributes:
        expression: As the user wrote it.
        split_names: What folders mean, as `Splits`'s.
    """

    expression: str
    split_names: Mapping[str, str] = field(default_factory=dict)

    name = "pattern"

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return compile_pattern(self.expression)

    def list_files(self, root: Path) -> Listing:
        """List all images below a folder.

        Raises:
            DatasetError: A folder cannot be listed, no image's path matches, or folders that look
                like splits are not known.
            RecipeError: As `compile_pattern`.
        """
        found = find_files(root)
        matches = {path: self._compiled.fullmatch(path) for path in found.images}
        self._check_matches(root, matches)
        splits = Splits(self.split_names)
        notes: list[str] = []
        places: Sequence[Place | str | None]
        if "split" in self._compiled.groupindex:
            places = [_place(splits, path, match) for path, match in matches.items()]
        else:
            places, notes = splits.find_all(root, found.images)
        entries = [
            _entry(path, match, place)
            for (path, match), place in zip(matches.items(), places, strict=True)
            if not (isinstance(place, Place) and place.split is None)
        ]
        skipped = len(found.images) - len(entries)
        return Listing(
            entries,
            ignored=sum(found.others.values()) + skipped,
            places=dict.fromkeys(get_args(Split), root),
            required=("train",),
            notes=tuple(notes),
            splits=splits_by_folder(p for p in places if isinstance(p, Place)),
            passed_over=found.others,
        )

    def _check_matches(self, root: Path, matches: Mapping[str, re.Match[str] | None]) -> None:
        if any(matches.values()):
            return
        if not matches:
            raise DatasetError(f"{root}: no image in it; fill it or give another")
        raise DatasetError(
            f"{root}: --pattern {self.expression} matches none of the {len(matches):,} images, "
            f"such as {min(matches)!r}; it must match all of such a path"
        )


def compile_pattern(expression: str) -> re.Pattern[str]:
    """Compile an expression.

    Raises:
        RecipeError: It is none, or misses a group.
    """
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise RecipeError(
            f"--pattern {expression}: not a regular expression ({error}); quote it for the shell, "
            f"and write it like {_EXAMPLE}"
        ) from error
    missing = [name for name in REQUIRED if name not in compiled.groupindex]
    if missing:
        wanted = " and ".join(f"(?P<{name}>...)" for name in missing)
        raise RecipeError(f"--pattern {expression}: no group {wanted}; write it like {_EXAMPLE}")
    return compiled


def _place(splits: Splits, path: str, match: re.Match[str] | None) -> Place | str | None:
    """Find the split that a group says, or else the folders; a text says why there is none."""
    if match is None or not match["split"]:
        return splits.find(path.split("/")[:-1])
    try:
        return splits.read(match["split"])
    except ValueError as error:
        return str(error)


def _entry(path: str, match: re.Match[str] | None, place: Place | str | None) -> Entry:
    stem = image_stem(path)
    split: Split = "train"
    validation = False
    if isinstance(place, Place) and place.split is not None:
        split, validation = place.split, place.validation
    if match is None:
        problem = UnusableImage.because("bad_name", "--pattern does not match all of its path")
    elif isinstance(place, str):
        problem = UnusableImage.because("bad_name", place)
    elif place is None:
        what = "no folder on its path says the split, as others' do"
        problem = UnusableImage.because("no_split", what)
    else:
        try:
            return Entry(path, split, stem, _label(match), validation=validation)
        except ValueError as error:
            problem = UnusableImage.because("bad_name", str(error))
    return Entry(path, split, stem, problem)


def _label(match: re.Match[str]) -> Label:
    """Read a label off a match.

    Raises:
        ValueError: A group's text cannot be used.
    """
    parts = {name: text or "" for name, text in match.groupdict().items()}
    return Label(
        read_identity(parts["pid"]),
        read_camera(parts.get("camid", "")),
        **{name: parse_number(name, parts[name]) for name in OPTIONAL if parts.get(name)},
    )
