"""Contact sheets: which few of all images the page shows first, and next to what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from visnet_aug.datasets.images import REASONS as FILE_REMEDIES
from visnet_aug.datasets.rejected import RejectedRow
from visnet_aug.manifest import ManifestRow
from visnet_aug.masks.person import REASONS
from visnet_aug.masks.store import MaskEntry
from visnet_aug.report.finished import FinishedBuild
from visnet_aug.report.sample import spread_sample, stratified_sample

PER_VARIANT: Final = 12
PER_CAMERA: Final = 12
EXTREMES: Final = 12
PER_REASON: Final = 24
PEOPLE: Final = 24

MASK_REASONS: Final = dict[str, str](REASONS.items())
"""Why a mask is rejected, in words, in the order of the page."""

_UNSHOWN: Final = ("variant", "intensity", "seed")
"""Drawn parameters that the page shows elsewhere, or that are not visible."""

_UNITS: Final = {"degrees": "°", "pixels": " px", "levels": " levels", "factor": "×"}
"""Units by the last word of a parameter's name."""


@dataclass(frozen=True, slots=True)
class VariantExamples:
    """Examples of one variant.

    Attributes:
        name: Of the variant; of several at once, joined by ``+``.
        copies: How many copies it made.
        weakest: Lowest intensity among them.
        strongest: Highest.
        examples: Copies from weak to strong.
    """

    name: str
    copies: int
    weakest: float
    strongest: float
    examples: Sequence[ManifestRow]


@dataclass(frozen=True, slots=True)
class Family:
    """Examples of one family.

    Attributes:
        name: Of the family.
        copies: How many it made.
        images: Of how many sources.
        identities: Of how many people.
        variants: Single ones first, then those that were drawn together.
    """

    name: str
    copies: int
    images: int
    identities: int
    variants: Sequence[VariantExamples]


@dataclass(frozen=True, slots=True)
class Group:
    """Some images under one heading.

    Attributes:
        key: Names it for machines.
        title: Names it for people.
        note: A sentence about it.
        count: How many masks there are in all, each once, however many copies it served.
        examples: Some of them.
    """

    key: str
    title: str
    note: str
    count: int
    examples: Sequence[ManifestRow]


@dataclass(frozen=True, slots=True)
class Contacts:
    """All contact sheets.

    Attributes:
        families: Examples of every family.
        people: People before different backgrounds; see `people`.
        masks: Masks that were used.
        rejected: Images without a usable mask.
    """

    families: Sequence[Family]
    people: Sequence[Sequence[ManifestRow]]
    masks: Sequence[Group]
    rejected: Sequence[Group]


@dataclass(frozen=True, slots=True)
class Unusable:
    """Files of the source that could not be used for one reason."""

    reason: str
    remedy: str
    files: Sequence[RejectedRow]


def choose_contacts(finished: FinishedBuild) -> Contacts:
    """Choose what all contact sheets show."""
    return Contacts(families(finished), people(finished), masks(finished), rejected_masks(finished))


def families(finished: FinishedBuild) -> list[Family]:
    """Choose examples of every family and variant."""
    copies = _grouped(finished.copies, lambda row: row.family)
    return [_family(name, copies[name]) for name in finished.families if name in copies]


def people(finished: FinishedBuild) -> list[Sequence[ManifestRow]]:
    """Choose people who are seen before all families, each once.

    Copies of one image if some image has them all (in a probe), or else of one person before one
    camera, or of one person.

    Returns:
        For each person copies of different families, in the families' order, the surest masks
        first.
    """
    copies = [row for row in finished.copies if row.pid > 0]
    best: list[Sequence[ManifestRow]] = []
    levels: Sequence[Callable[[ManifestRow], Hashable]] = (
        lambda row: row.source,
        lambda row: (row.pid, row.camid),
        lambda row: row.pid,
    )
    for level in levels:
        shown = [_one_of_each(of_one, finished) for of_one in _grouped(copies, level).values()]
        most = max(map(len, shown), default=0)
        if most > len(best[0] if best else ()):
            best = [one for one in shown if len(one) == most]
    best.sort(key=lambda one: (-min(_confidence(row) for row in one), one[0].path))
    once: dict[int, Sequence[ManifestRow]] = {}
    for one in best:
        if len(one) > 1:
            once.setdefault(one[0].pid, one)
    return list(once.values())[:PEOPLE]


def masks(finished: FinishedBuild) -> list[Group]:
    """Choose masks that were used: a few of each camera, and the most extreme ones."""
    entries = finished.tables.entries
    accepted = {name: row for name, row in finished.masked.items() if entries[name].accepted}
    rows = list(accepted.values())
    entry_of = {row.path: entries[name] for name, row in accepted.items()}

    def extreme(key: str, title: str, note: str, rank: Callable[[MaskEntry], float]) -> Group:
        chosen = sorted(rows, key=lambda row: (rank(entry_of[row.path]), row.path))[:EXTREMES]
        return Group(key, title, note, len(rows), chosen)

    unsure = extreme("unsure", "Least certain", "lowest confidence first", lambda e: e.confidence)
    rated = any(entry.mask_quality is not None for entry in entry_of.values())
    worst = extreme("worst", "Lowest quality", "lowest predicted quality first", _quality)
    groups = [
        worst if rated else unsure,
        extreme("smallest", "Smallest", "smallest share of the image first", lambda e: e.area),
        extreme("largest", "Largest", "most of the image first", lambda e: -e.area),
    ]
    if edited := [row for row in rows if entry_of[row.path].edited]:
        shown = spread_sample(edited, PER_REASON)
        note = "survive every new build"
        groups.insert(0, Group("edited", "Edited by hand", note, len(edited), shown))
    for camera, seen in sorted(_grouped(rows, lambda row: row.camid).items()):
        shown = spread_sample(seen, PER_CAMERA)
        groups.append(Group(f"camera{camera}", f"Camera {camera}", "", len(seen), shown))
    return [group for group in groups if group.examples]


def _quality(entry: MaskEntry) -> float:
    return 1.0 if entry.mask_quality is None else entry.mask_quality


def rejected_masks(finished: FinishedBuild) -> list[Group]:
    """Choose images without a usable mask, by reason; those that are not in the set count, too."""
    without = [row for row in finished.tables.rejected or () if row.stage == "mask"]
    counts = {reason: len(rows) for reason, rows in _grouped(without, lambda r: r.reason).items()}
    entries = finished.tables.entries
    shown = _grouped(
        [row for name, row in finished.masked.items() if not entries[name].accepted],
        lambda row: entry.reason if (entry := finished.entry(row)) else "",
    )
    return [
        Group(reason, reason.replace("_", " "), words, counts[reason],
              spread_sample(shown.get(reason, ()), PER_REASON))
        for reason, words in MASK_REASONS.items()
        if reason in counts
    ]  # fmt: skip


def unusable_files(finished: FinishedBuild) -> list[Unusable]:
    """Group the source's unusable files by reason, the commonest first."""
    files = [row for row in finished.tables.rejected or () if row.stage == "read"]
    groups = sorted(_grouped(files, lambda row: row.reason).items(), key=lambda g: -len(g[1]))
    return [Unusable(reason, FILE_REMEDIES.get(reason, ""), of) for reason, of in groups]


def describe_params(params: Mapping[str, Any]) -> str:
    """Format drawn numbers in one line: ``angle 107°, length 13 px``."""
    words = []
    for name, value in params.items():
        if name in _UNSHOWN or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        quantity, _, last = name.rpartition("_")
        unit = _UNITS.get(last) if quantity else None
        words.append(f"{quantity} {value:.3g}{unit}" if unit else f"{name} {value:.3g}")
    return ", ".join(words).replace("_", " ")


def _family(name: str, rows: Sequence[ManifestRow]) -> Family:
    variants = sorted(
        _grouped(rows, lambda row: str(row.variant)).items(),
        key=lambda item: (item[0].count("+"), item[0]),
    )
    return Family(
        name=name,
        copies=len(rows),
        images=len({row.source for row in rows}),
        identities=len({row.pid for row in rows if row.pid > 0}),
        variants=[
            VariantExamples(
                variant,
                len(made),
                min(map(_intensity, made)),
                max(map(_intensity, made)),
                stratified_sample(made, PER_VARIANT, _intensity),
            )
            for variant, made in variants
        ],
    )


def _one_of_each(rows: Iterable[ManifestRow], finished: FinishedBuild) -> list[ManifestRow]:
    """Of one person's copies, take the one with the surest mask of each family."""
    best: dict[str, ManifestRow] = {}
    for row in sorted(rows, key=lambda row: (-_confidence(row), row.path)):
        best.setdefault(str(row.family), row)
    return [best[name] for name in finished.families if name in best]


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _intensity(row: ManifestRow) -> float:
    return row.intensity or 0.0


def _confidence(row: ManifestRow) -> float:
    return row.mask_confidence or 0.0
