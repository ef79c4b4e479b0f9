"""Names in the output, in Market-1501's form, for all layouts.

``<pid>_c<camera>s<sequence>_<frame>_<box>``: a camera that is not known is 0; a sequence that is
not known is the tracklet, or else 1; a frame 0; and the box, if need be, the next number among
images that agree in all the rest. Names are given in the order of paths, so that they do not
depend on how files were listed, and before any file is opened, so that a damaged one changes no
other's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from visnet_aug.datasets.layout import LIMITS, Entry, Label
from visnet_aug.datasets.numbering import Numbers
from visnet_aug.datasets.record import Split
from visnet_aug.manifest import JUNK_PID

_OWN: Final = (".jpg", ".jpeg", ".png")
"""Suffixes that a plain image's file may keep."""


@dataclass(frozen=True, slots=True)
class Named:
    """An image with its name.

    Attributes:
        entry: What the layout says.
        label: Its label.
        numbers: Its identity and camera.
        stem: Its name without a suffix, unique within the split.
        box: Number of its box within the frame.
        kept: Whether the stem is its file's own.
    """

    entry: Entry
    label: Label
    numbers: Numbers
    stem: str
    box: int | None
    kept: bool = False

    def file_name(self, suffix: str, plain: bool) -> str:
        """Return its name in the output.

        Args:
            suffix: ``.jpg`` or ``.png``: what its bytes are.
            plain: Whether it is its file, unchanged, which then keeps a suffix out of `_OWN`.
        """
        name = self.entry.file_name
        if not (plain and name.lower().endswith(_OWN)):
            return self.stem + suffix
        if self.kept:
            return name
        return f"{self.stem}{'.png' if name.lower().endswith('.png') else '.jpg'}"


def give_names(images: Iterable[tuple[Entry, Label, Numbers]], keeps: bool) -> list[Named]:
    """Give images their names.

    Args:
        images: In the order of paths.
        keeps: Whether files keep their names: of several with one stem, the first does.
    """
    images = list(images)
    owners: dict[tuple[Split, str], Entry] = {}
    if keeps:
        for entry, _, _ in images:
            owners.setdefault((entry.split, entry.stem), entry)
    free = _Stems(set(owners))
    named = []
    for entry, label, numbers in images:
        if owners.get((entry.split, entry.stem)) is entry:
            named.append(Named(entry, label, numbers, entry.stem, label.box, kept=True))
        else:
            stem, box = free.take(entry.split, label, numbers)
            named.append(Named(entry, label, numbers, stem, box))
    return named


class _Stems:
    """Stems that no image has yet."""

    def __init__(self, taken: set[tuple[Split, str]]) -> None:
        self._taken = taken
        self._next: Counter[tuple[Split, str]] = Counter()

    def take(self, split: Split, label: Label, numbers: Numbers) -> tuple[str, int]:
        """Return a stem and the number of its box."""
        who = "-1" if numbers.pid == JUNK_PID else f"{numbers.pid:04}"
        start = f"{who}_c{numbers.camid}s{_sequence(label)}_{label.frame or 0:06}"
        box = self._next[split, start] if label.box is None else label.box
        while (split, f"{start}_{box:02}") in self._taken:
            box = max(self._next[split, start], box + 1)
        stem = f"{start}_{box:02}"
        self._taken.add((split, stem))
        self._next[split, start] = max(self._next[split, start], box + 1)
        return stem, box


def _sequence(label: Label) -> int:
    if label.sequence is not None:
        return label.sequence
    most = LIMITS["sequence"][1]
    return label.tracklet if label.tracklet is not None and label.tracklet <= most else 1
