r"""A folder for each person, with any name, alone or below folders that say the split.

``anna/door-1.jpg``, ``train/0002/0002_c1s1_000451_03.jpg``, ``cam1/0007/0001.jpg``. As in
torchvision's ``ImageFolder``, the first folder below the split's (or the dataset's) is the person,
and everything below it is the same person's. Folders named like cameras (``cam1``, ``Camera_B``)
are not people, and a folder that holds all the others is skipped. An image in no
person's folder is known by its name, if that is like Market-1501's.

A camera is read, in this order, by the user's expression for paths, off a name like
those of Market-1501, DukeMTMC-reID, CUHK03-NP or VeRi-776, or off a folder named like a camera.
Otherwise it is unknown.

``train_all`` of layumi's baseline repeats the images of its siblings ``train`` and ``val``: of two
such files, the one in ``train_all`` is taken. ``multi-query`` and ``gt_bbox`` are left out.
Names of Market-1501's form in folders called ``-1`` and ``0000`` keep that set's meaning in the
gallery. Source: the class folders of layumi's *Person_reID_baseline_pytorch* (``prepare.py``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Final, get_args

from visnet_aug.datasets.images import UnusableImage
from visnet_aug.datasets.layout import Entry, Label, Listing
from visnet_aug.datasets.numbering import read_camera, read_identity
from visnet_aug.datasets.record import Split
from visnet_aug.datasets.splits import VALIDATION, Place, Splits, folders_of, splits_by_folder
from visnet_aug.datasets.walk import Found, find_files, image_stem
from visnet_aug.errors import DatasetError, RecipeError, printable
from visnet_aug.manifest import DISTRACTOR_PID, JUNK_PID

EXTRA: Final = frozenset({"gt_bbox", "gt_query", "multi-query", "multi_query"})
"""Folders that repeat images, or hold images of no split."""

_FORMS: Final = (
    re.compile(r"(?P<pid>-1|[0-9]{4,9})_c(?P<camid>[0-9]+)s(?P<sequence>[0-9]{1,4})"
               r"_(?P<frame>[0-9]{4,12})(?:_[0-9]+)?"),
    re.compile(r"(?P<pid>-1|[0-9]{4,9})_c(?P<camid>[0-9]+)_f?(?P<frame>[0-9]{1,12})(?:_[0-9]+)?"),
)  # fmt: skip
"""Names like those of Market-1501, and of DukeMTMC-reID, CUHK03-NP and VeRi-776."""

_CAMERA_FOLDER = re.compile(r"cam(?:era)?[-_ ]?([0-9]+|[a-z])", re.IGNORECASE)
_NO_PERSON: Final = frozenset({"images", "imgs", "jpegimages", "masks", "labels", "annotations"})
_NOBODY: Final = {"-1": JUNK_PID, "0000": DISTRACTOR_PID}
_MOST: Final = 0.9
"""Share of images that must fit for a folder to be recognised."""


@dataclass(frozen=True, slots=True)
class Identities:
    """The layout.

    Attributes:
        split_names: What folders mean, as `Splits`'s.
        camera_pattern: Regular expression that is searched for in paths; its group ``camid``, else
            its first group, else all that matches is the camera.
    """

    split_names: Mapping[str, str] = field(default_factory=dict)
    camera_pattern: str = ""

    name = "identities"
    signs = "a folder for each person, alone or below train, query, gallery"

    def recognise(self, root: Path) -> str | None:
        """Say which people there are, if nearly all images are in people's folders."""
        try:
            paths = self._read(root).paths
        except DatasetError:
            return None
        people = [path.person for path in paths if path.person]
        named = [path.match for path in paths if not path.person and path.match]
        if not paths or len(people) + _agreeing(named) < _MOST * len(paths):
            return None
        different = sorted(set(people))
        if not named and (len(different) < 2 or _NO_PERSON & {name.lower() for name in different}):
            return None
        if not different:
            return f"names like {min(path.origin for path in paths)}"
        return f"{len(different):,} folders of people, such as {printable(different[0])}"

    def list_files(self, root: Path) -> Listing:
        """List all images below a folder.

        Raises:
            DatasetError: A folder cannot be listed, there is no image, or folders that look like
                splits are not known.
            RecipeError: The camera's expression cannot be used.
        """
        cameras = compile_camera_pattern(self.camera_pattern) if self.camera_pattern else None
        read = self._read(root)
        if not read.paths:
            raise DatasetError(f"{printable(root)}: no image in it; fill it or give another")
        used = [path for path in read.paths if path.place is None or path.place.split is not None]
        entries = [_entry(path, cameras) for path in used]
        return Listing(
            entries,
            ignored=len(read.paths) - len(used) + sum(read.others.values()) + read.left_out,
            places=dict.fromkeys(get_args(Split), root),
            required=("train",),
            notes=(*read.notes, *_camera_notes(entries)),
            splits=splits_by_folder(path.place for path in used),
            passed_over=read.others,
        )

    def _read(self, root: Path) -> _Read:
        """Read all paths.

        Raises:
            DatasetError: As `Splits.find_all`, or a folder cannot be listed.
        """
        found, extras = _without_extras(find_files(root))
        places, notes = Splits(self.split_names).find_all(root, found.images)
        paths = _paths(found.images, places)
        kept = _without_repeats(paths)
        notes += [f"{count:,} images in {name} are left out" for name, count in extras.items()]
        if repeated := len(paths) - len(kept):
            notes.append(f"{repeated:,} images of train and val are taken from train_all alone")
        if deeper := min((path.deeper for path in kept if path.deeper), default=""):
            person = next(path.person for path in kept if path.deeper == deeper)
            notes.append(
                f"all below a person's folder is that person: {printable(deeper)} is {person}"
            )
        return _Read(kept, found.others, repeated + sum(extras.values()), notes)


@dataclass(frozen=True, slots=True)
class _Path:
    """What an image's path says.

    Attributes:
        origin: The path.
        place: Its split.
        person: The person's folder, if it is in one.
        camera: The camera that a folder says.
        match: Its name, if it is like Market-1501's.
    """

    origin: str
    place: Place | None
    person: str | None
    camera: str | None
    match: re.Match[str] | None

    @property
    def deeper(self) -> str:
        """The path of its folder, if that is one inside of the person's; else empty."""
        folders = [name for name in folders_of(self.origin) if not _CAMERA_FOLDER.fullmatch(name)]
        inside = self.person is not None and folders[-1] != self.person
        return "/".join(folders_of(self.origin)) if inside else ""


@dataclass(frozen=True, slots=True)
class _Read:
    """All paths of a dataset, the number of other files, of images left out, and notes."""

    paths: Sequence[_Path]
    others: Mapping[str, int]
    left_out: int
    notes: Sequence[str]


def compile_camera_pattern(expression: str) -> re.Pattern[str]:
    """Compile the expression that reads cameras off paths.

    Raises:
        RecipeError: It is none.
    """
    try:
        return re.compile(expression)
    except re.error as error:
        raise RecipeError(
            f"--camera-pattern {expression}: not a regular expression ({error}); quote it for the "
            r"shell, and write it like cam(\d+)"
        ) from error


def _without_extras(found: Found) -> tuple[Found, Mapping[str, int]]:
    """Take out images below folders of `EXTRA`, and count them."""
    extras: Counter[str] = Counter()
    images = []
    for origin in found.images:
        extra = next((name for name in folders_of(origin) if name.lower() in EXTRA), None)
        if extra:
            extras[extra] += 1
        else:
            images.append(origin)
    return Found(images, found.others), dict(sorted(extras.items()))


def _paths(origins: Sequence[str], places: Sequence[Place | None]) -> list[_Path]:
    """Read paths whose splits are known."""
    inner = [
        folders_of(origin)[place.depth if place else 0 :]
        for origin, place in zip(origins, places, strict=True)
    ]
    if not any(place and place.depth for place in places):
        wrapper = _wrapper(inner)
        inner = [folders[wrapper:] for folders in inner]
    matches = [_match(origin) for origin in origins]
    people = [_person(folders) for folders in inner]
    crowds = _crowds(people, matches)
    return [
        _Path(origin, place, None if person in crowds else person, _camera(folders), match)
        for origin, place, person, folders, match in zip(
            origins, places, people, map(folders_of, origins), matches, strict=True
        )
    ]


def _crowds(
    people: Sequence[str | None], matches: Sequence[re.Match[str] | None]
) -> set[str | None]:
    """Return folders in which names like Market-1501's say different people."""
    inside: dict[str | None, set[str]] = {}
    for person, match in zip(people, matches, strict=True):
        if match:
            inside.setdefault(person, set()).add(match["pid"])
    return {person for person, pids in inside.items() if len(pids) > 1}


def _without_repeats(paths: Sequence[_Path]) -> list[_Path]:
    """Leave out images of ``train`` and ``val`` that their sibling ``train_all`` repeats."""
    whole = {path.origin for path in paths if path.place and _last(path.place) == "train_all"}
    return [path for path in paths if not (whole and _twin(path) in whole)]


def _twin(path: _Path) -> str:
    """Return where an image of ``train`` or ``val`` is in ``train_all``; empty for others."""
    place = path.place
    if place is None or _last(place) not in ("train", *VALIDATION):
        return ""
    above = place.folder.rpartition("/")[0]
    rest = path.origin[len(place.folder) :]
    return f"{above}/train_all{rest}".removeprefix("/")


def _last(place: Place) -> str:
    return place.folder.rpartition("/")[2].lower()


def _wrapper(inner: Sequence[Sequence[str]]) -> int:
    """Return how many folders hold all images of a set without splits, and are no person."""
    columns = zip(*inner, strict=False)  # as deep as the shallowest
    depth = sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, columns))
    while depth and not all(_person(folders[depth:]) for folders in inner):
        depth -= 1
    return depth


def _person(folders: Iterable[str]) -> str | None:
    return next((name for name in folders if not _CAMERA_FOLDER.fullmatch(name)), None)


def _camera(folders: Iterable[str]) -> str | None:
    matches = map(_CAMERA_FOLDER.fullmatch, folders)
    return next((match[1] for match in matches if match), None)


def _match(origin: str) -> re.Match[str] | None:
    name = image_stem(origin.rpartition("/")[2])
    return next((match for form in _FORMS if (match := form.fullmatch(name))), None)


def _agreeing(matches: Iterable[re.Match[str] | None]) -> int:
    """Return how many names have the form that most of them have."""
    forms = Counter(match.re.pattern for match in matches if match)
    return max(forms.values(), default=0)


def _camera_notes(entries: Sequence[Entry]) -> Iterator[str]:
    labels = [entry.label for entry in entries if isinstance(entry.label, Label)]
    if unknown := sum(label.camid is None for label in labels):
        yield (
            f"the camera of {unknown:,} of {len(labels):,} images is unknown; --camera-pattern "
            "REGEX reads it off paths"
        )


def _entry(path: _Path, cameras: re.Pattern[str] | None) -> Entry:
    place, stem = path.place, image_stem(path.origin)
    if place is None:
        what = "no folder on its path says the split, as others' do"
        return Entry(path.origin, "train", stem, UnusableImage.because("no_split", what))
    split = place.split or "train"
    try:
        label = _label(path, split, cameras)
    except ValueError as error:
        return Entry(path.origin, split, stem, UnusableImage.because("bad_name", str(error)))
    return Entry(path.origin, split, stem, label, validation=place.validation)


def _label(path: _Path, split: Split, cameras: re.Pattern[str] | None) -> Label:
    """Say who is on an image, and from which camera.

    Raises:
        ValueError: Its path doesn't say who, or in a way that cannot be used.
    """
    match = path.match
    person = path.person or (match["pid"] if match else None)
    if person is None:
        raise ValueError("it is in no person's folder")
    parts = match.groupdict() if match else {}
    nobody = _NOBODY.get(person) if split == "gallery" and parts.get("pid") == person else None
    return Label(
        read_identity(person) if nobody is None else nobody,
        _read_camera(path, cameras),
        sequence=int(parts["sequence"]) if parts.get("sequence") else None,
        frame=int(parts["frame"]) if parts.get("frame") else None,
    )


def _read_camera(path: _Path, cameras: re.Pattern[str] | None) -> str | None:
    searched = cameras.search(path.origin) if cameras else None
    if searched:
        group = "camid" if "camid" in searched.re.groupindex else min(1, searched.re.groups)
        return read_camera(searched[group] or "")
    if path.match:
        return path.match["camid"]
    return path.camera
