"""The result of a verification, as text for people and as JSON for machines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "tables",
    "counts",
    "leak",
    "source",
    "balance",
    "missing",
    "stray",
    "changed",
    "pixels",
    "mask",
    "foreground",
]

CHECKS: Final[Mapping[Kind, str]] = {
    "tables": "the tables are those that build.json lists",
    "counts": "there are as many images as planned",
    "leak": "no identity in query or gallery is in the training images",
    "source": "every copy belongs to its source",
    "balance": "copies and families are distributed as planned",
    "missing": "every row has its file",
    "stray": "every file has its row",
    "changed": "every file has its checksum",
    "pixels": "every image can be decoded and has its size",
    "mask": "every mask is there, 1-bit, of its image's size, and the one that was used",
    "foreground": "every person is the same as in the source",
}
"""What is true of a sound build, in the order of the report."""

_NEED_PIXELS: Final[tuple[Kind, ...]] = ("pixels", "foreground")

SHOWN: Final = 5
"""Problems of one kind that the text names; the JSON report has all."""

FORMAT: Final = 1
"""Of the JSON report."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong: which of `CHECKS` fails, and where and how, in one line."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How well one kind of file preserved the people of copies.

    Attributes:
        encoding: The recipe's encoding, and in brackets the resulting format.
        copies: Copies that were compared with their sources.
        exact: Those whose person is the source's to the last bit.
        psnr: Peak signal-to-noise ratio in dB over all values under the masks; infinite if all
            are exact.
        lowest: That of the worst copy.
        worst: Path of that copy.
    """

    encoding: str
    copies: int
    exact: int
    psnr: float
    lowest: float
    worst: str


@dataclass(frozen=True, slots=True)
class Resemblance:
    """Near-duplicates between two splits, which are not an error in themselves.

    Attributes:
        splits: The two.
        pairs: Pairs of images from different sources whose hashes are near.
        same_camera: Those of one identity and one camera, which evaluation ignores.
        other_identity: Those of different identities.
        nobody: Those with junk or a distractor, whose identity is unknown.
        shared_sources: Sources with a copy in both splits.
        nearest: Some pairs, the nearest first: path, path, differing bits.
    """

    splits: tuple[str, str]
    pairs: int
    same_camera: int
    other_identity: int
    nobody: int
    shared_sources: int
    nearest: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a verification.

    Attributes:
        root: The output folder.
        product: What it holds: ``build`` or ``probe``.
        images: Rows of the manifest.
        quick: Whether nothing was decoded.
        problems: What is wrong.
        fidelity: How well people were preserved, by encoding.
        uncompared: Copies without a source to compare them with.
        resemblances: Near-duplicates, by pair of splits.

    Example:
        >>> from visnet_aug import Verdict, verify
        >>> verdict: Verdict = verify("aug", quick=True, workers=1)
        >>> verdict.problems
        []
    """

    root: Path
    product: str
    images: int
    quick: bool
    problems: Sequence[Problem]
    fidelity: Sequence[Fidelity] = ()
    uncompared: int = 0
    resemblances: Sequence[Resemblance] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def by_kind(self) -> dict[Kind, list[str]]:
        """Return what is wrong by kind, in the order of `CHECKS`."""
        found: dict[Kind, list[str]] = {kind: [] for kind in CHECKS}
        for problem in self.problems:
            found[problem.kind].append(problem.text)
        return {kind: texts for kind, texts in found.items() if texts}

    def _compared(self, kind: Kind) -> bool:
        """Tell whether there was anything to compare: people need their sources."""
        return kind != "foreground" or bool(self.fidelity) or not self.uncompared

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values; an infinite ratio is ``null``."""
        return {
            "format": FORMAT,
            "root": str(self.root),
            "product": self.product,
            "images": self.images,
            "quick": self.quick,
            "sound": self.sound,
            "problems": self.by_kind(),
            "foreground": [
                asdict(entry) | {"psnr": _finite(entry.psnr), "lowest": _finite(entry.lowest)}
                for entry in self.fidelity
            ],
            "uncompared": self.uncompared,
            "near_duplicates": [asdict(entry) for entry in self.resemblances],
        }

    def lines(self) -> Iterator[str]:
        """Yield the report's lines: every check, what was measured, and a summary."""
        wrong = self.by_kind()
        for kind, claim in CHECKS.items():
            if kind in wrong:
                yield from _wrong(claim, wrong[kind])
            elif kind in _NEED_PIXELS and (self.quick or not self._compared(kind)):
                yield f"--  not checked: {claim}"
            else:
                yield f"ok  {claim}"
        yield from map(_fidelity_line, self.fidelity)
        if self.uncompared and not self.quick:
            copies = _count(self.uncompared, "copy", "copies")
            yield f"    {copies} not compared: the source is missing"
        for entry in self.resemblances:
            yield from _resemblance_lines(entry)
        what = f"{self.root}: {self.product} of {_count(self.images, 'image')}"
        total = _count(len(self.problems), "problem")
        yield f"{what}: {'sound' if self.sound else total}"


def _wrong(claim: str, texts: Sequence[str]) -> Iterator[str]:
    yield f"!!  not so: {claim} ({_count(len(texts), 'problem')})"
    yield from (f"      {text}" for text in texts[:SHOWN])
    if len(texts) > SHOWN:
        yield f"      and {len(texts) - SHOWN:,} more"


def _fidelity_line(entry: Fidelity) -> str:
    compared = f"    {entry.encoding}: {_count(entry.copies, 'copy', 'copies')} compared"
    if entry.exact == entry.copies:
        return f"{compared}, all exact under the mask"
    return (
        f"{compared}, {entry.psnr:.1f} dB under the mask; lowest {entry.lowest:.1f} dB: "
        f"{entry.worst}"
    )


def _resemblance_lines(entry: Resemblance) -> Iterator[str]:
    first, second = entry.splits
    parts = [f"{first} and {second}: {_count(entry.pairs, 'near-duplicate')}"]
    if entry.pairs:
        parts.append(f"{entry.same_camera:,} of one person and camera")
        parts.append(f"{entry.other_identity:,} of different people")
    if entry.nobody:
        parts.append(f"{entry.nobody:,} with junk or distractors")
    if entry.shared_sources:
        parts.append(f"copies of {_count(entry.shared_sources, 'source')} in both")
    yield f"    {', '.join(parts)}"
    if entry.other_identity or entry.shared_sources:
        for one, other, bits in entry.nearest:
            yield f"      {one}  {other}  ({bits} of 64 bits differ)"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
