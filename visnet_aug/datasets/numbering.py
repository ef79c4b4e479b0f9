"""Numbers for identities and cameras, which can have any name in the source.

Market-1501's names and the manifest have whole numbers. One rule for tables, patterns and folders:

- A whole number from 1 stays what it is; ``0002`` is 2.
- Any other text, ``0`` included, gets the smallest number that is free, in natural order
  (``cam2`` before ``cam10``). All splits are numbered together.
- A negative number is refused.
- In the gallery, ``junk`` and ``distractor`` are what Market-1501 calls ``-1`` and ``0000``. Those
  two numbers mean this in Market-1501's names alone.
- An unknown camera has no text; its number is `UNKNOWN_CAMID`.

The numbers depend on the set of texts and not on the order of files.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from visnet_aug.datasets.layout import LIMITS, Label
from visnet_aug.datasets.record import UNKNOWN_CAMID
from visnet_aug.errors import DatasetError
from visnet_aug.manifest import DISTRACTOR_PID, JUNK_PID

NOBODY: Final = MappingProxyType[str, int]({"junk": JUNK_PID, "distractor": DISTRACTOR_PID})
"""Words for gallery images of nobody in the query set."""

MAX_TEXT: Final = 200
"""Most characters of an identity or camera."""

_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_SPREADSHEET = re.compile(r"([0-9]+)\.0", re.ASCII)
_DIGITS = re.compile(r"([0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Identity and camera of an image, as numbers and in the source's own words.

    Attributes:
        pid: Identity.
        camid: Camera.
        identity: The identity's text.
        camera: The camera's text, empty where it is unknown.
    """

    pid: int
    camid: int
    identity: str
    camera: str


def read_identity(text: str) -> str | int:
    """Read an identity in a table, path or pattern.

    Returns:
        Its text, to be numbered with all others; of `NOBODY`'s words, the number.

    Raises:
        ValueError: It is empty, negative, too long or unprintable; the message says so.
    """
    cleaned = _clean("identity", text)
    return NOBODY.get(cleaned.lower(), cleaned)


def read_camera(text: str) -> str | None:
    """Read a camera that a person has given; ``None`` if the text is empty.

    Raises:
        ValueError: As `read_identity`.
    """
    return _clean("camera", text) if text.strip() else None


def number(labels: Iterable[Label]) -> Iterator[Numbers]:
    """Yield the numbers of all labels of a dataset, in order.

    Raises:
        DatasetError: There are more cameras than names have room for.

    Example:
        >>> labels = [Label("anna", "door"), Label("0002", "yard"), Label("0", None)]
        >>> [(numbers.pid, numbers.camid) for numbers in number(labels)]
        [(3, 1), (2, 2), (1, 0)]
    """
    labels = list(labels)
    pids = _assign("pid", {label.pid for label in labels})
    camids = _assign("camid", {label.camid for label in labels if label.camid is not None})
    for label in labels:
        yield Numbers(
            pid=pids[label.pid],
            camid=UNKNOWN_CAMID if label.camid is None else camids[label.camid],
            identity=str(label.pid),
            camera="" if label.camid in (None, UNKNOWN_CAMID) else str(label.camid),
        )


def natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return a key that sorts texts as people do: numbers in them by value, letters by alphabet."""
    parts = _DIGITS.split(text.casefold())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p], text


def _assign(kind: str, values: set[str | int]) -> Mapping[str | int, int]:
    """Give every value its number."""
    numbers = {value: kept for value in values if (kept := _kept(kind, value)) is not None}
    taken = set(numbers.values())
    _, most = LIMITS[kind]
    free = (n for n in range(1, most + 1) if n not in taken)
    for text in sorted((str(value) for value in values if value not in numbers), key=natural):
        chosen = next(free, None)
        if chosen is None:
            raise DatasetError(
                f"{len(values):,} different values of {kind}: names have room for {most:,}; "
                "use fewer"
            )
        numbers[text] = chosen
    return numbers


def _kept(kind: str, value: str | int) -> int | None:
    """Return the number that a value already is, if it is one."""
    if isinstance(value, int):
        return value
    _, most = LIMITS[kind]
    return int(value) if _WHOLE.fullmatch(value) and 1 <= int(value) <= most else None


def _clean(what: str, text: str) -> str:
    cleaned = unicodedata.normalize("NFC", text.strip())
    cleaned = _SPREADSHEET.sub(r"\1", cleaned) if _SPREADSHEET.fullmatch(cleaned) else cleaned
    if not cleaned:
        raise ValueError(f"no {what}")
    if len(cleaned) > MAX_TEXT or not cleaned.isprintable():
        shown = ascii(cleaned[:20])
        raise ValueError(f"{what} {shown} is longer than {MAX_TEXT} characters or unprintable")
    if _WHOLE.fullmatch(cleaned) and cleaned.startswith("-"):
        nobody = "; gallery images of nobody are called junk or distractor"
        raise ValueError(f"{what} {cleaned} is negative" + (nobody if what == "identity" else ""))
    return cleaned
