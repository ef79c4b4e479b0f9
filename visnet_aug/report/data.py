"""The page's data: columns of numbers and names that its script reads, never markup.

Whatever a file's name, an identity or a recipe holds arrives as a string in JSON. A browser cannot
read JSON beside a page that was opened as a file, but it can run scripts, so the data are scripts
that each call one function.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final

from visnet_aug.manifest import ManifestRow
from visnet_aug.masks.store import EDITED, MaskEntry
from visnet_aug.report import contacts
from visnet_aug.report.finished import FinishedBuild
from visnet_aug.report.measures import NAMES, Measures
from visnet_aug.report.sprites import COLUMNS, PER_SHEET, Tile

PER_CHUNK: Final = 1024
"""Images whose whole records are in one script, fetched when one of them is opened."""

_UNSAFE: Final = {ord(c): f"\\u{ord(c):04x}" for c in "<>&"}
"""What could end a script or start markup, as JSON may write it instead in every string."""


def to_json(value: object) -> str:
    """Write a value as JSON that is safe within any script, and plain ASCII."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.translate(_UNSAFE)


def images_script(
    finished: FinishedBuild,
    sheets: contacts.Contacts,
    tile: Tile,
    masks: Sequence[str],
    measures: Sequence[Measures | None],
) -> bytes:
    """Return the script with everything that the page needs of all images at once.

    Args:
        finished: The build.
        sheets: What its contact sheets show.
        tile: Size of a place in a sprite sheet.
        masks: The masks among the sprites, by path, in their order.
        measures: Of each image that is shown.
    """
    data = {
        "out": str(finished.root),
        "keepsOriginals": finished.keeps_originals,
        "cell": [tile.width, tile.height],
        "columns": COLUMNS,
        "perSheet": PER_SHEET,
        "perChunk": PER_CHUNK,
        "families": finished.families,
        "styles": [finished.style(family) for family in finished.families],
        "maskReasons": contacts.MASK_REASONS,
        "images": _columns(finished, masks, measures),
        **_sheets(finished, sheets),
    }
    return _call("images", data)


def record_scripts(rows: Sequence[ManifestRow]) -> Iterable[tuple[str, bytes]]:
    """Yield the name and bytes of the scripts with what only a whole record shows."""
    for number, start in enumerate(range(0, len(rows), PER_CHUNK)):
        records = [
            {
                "seed": None if row.seed is None else str(row.seed),  # more bits than a float has
                "params": row.params,
                "mask": row.mask,
                "mask_area": row.mask_area,
                "mask_confidence": row.mask_confidence,
                "mask_quality": row.mask_quality,
                "sha256": row.sha256,
            }
            for row in rows[start : start + PER_CHUNK]
        ]
        yield f"records-{number:04}.js", _call("records", number, records)


def _call(function: str, *arguments: object) -> bytes:
    return f"visnet.{function}({','.join(map(to_json, arguments))});\n".encode()


def _columns(
    finished: FinishedBuild, masks: Sequence[str], measures: Sequence[Measures | None]
) -> dict[str, Any]:
    """Describe all images, column by column; a word that many share is there once."""
    rows = finished.shown
    entries = [finished.entry(row) for row in rows]
    numbers = {path: number for number, path in enumerate(masks)}

    def source(row: ManifestRow) -> int | str:
        """Number of the source among the images, or its path where the set doesn't hold it."""
        original = finished.sources.get(row.source)
        return row.source if original is None else finished.places[original.path]

    def origin(row: ManifestRow) -> int | str:
        """Path of an original in the source dataset, where it is another one there."""
        return row.source if row.kind == "original" and row.source != row.path else 0

    def thousandths(value: Callable[[MaskEntry], float | None]) -> list[int]:
        values = [None if entry is None else value(entry) for entry in entries]
        return [-1 if one is None else round(1000 * one) for one in values]

    return {
        "folder": _coded(row.path.rpartition("/")[0] for row in rows),
        "name": [row.path.rpartition("/")[2] for row in rows],
        "linkable": [int(finished.linkable(row)) for row in rows],
        "split": _coded(row.split for row in rows),
        "pid": [row.pid for row in rows],
        "camera": [row.camid for row in rows],
        "sequence": [row.sequence for row in rows],
        "frame": [row.frame for row in rows],
        "size": _coded((row.width, row.height) for row in rows),
        "source": [source(row) for row in rows],
        "origin": [origin(row) for row in rows],
        "copy": [row.copy for row in rows],
        "family": _coded(row.family for row in rows),
        "variant": _coded(row.variant for row in rows),
        "intensity": [row.intensity for row in rows],
        "mask": [-1 if row.mask is None else numbers[row.mask] for row in rows],
        "area": thousandths(lambda entry: entry.area),
        "confidence": thousandths(lambda entry: entry.confidence),
        "quality": thousandths(lambda entry: entry.mask_quality),
        "verdict": _coded(_verdict(entry) for entry in entries),
        **{
            name: [-1 if of is None else round(of[place]) for of in measures]
            for place, name in enumerate(NAMES)
        },
    }


def _coded(values: Iterable[Hashable]) -> dict[str, Any]:
    """Number the different values in order of appearance."""
    words: dict[Hashable, int] = {}
    codes = [words.setdefault(value, len(words)) for value in values]
    return {"words": list(words), "codes": codes}


def _verdict(entry: MaskEntry | None) -> str | None:
    if entry is None:
        return None
    if not entry.accepted:
        return f"none: {entry.reason}"
    return EDITED if entry.edited else "usable"


def _sheets(finished: FinishedBuild, sheets: contacts.Contacts) -> dict[str, Any]:
    """Describe the contact sheets by the numbers of their images."""

    def places(rows: Iterable[ManifestRow]) -> list[int]:
        return [finished.places[row.path] for row in rows]

    return {
        "familySheets": [
            {
                "name": family.name,
                "copies": family.copies,
                "images": family.images,
                "identities": family.identities,
                "variants": [
                    {
                        "name": variant.name,
                        "copies": variant.copies,
                        "weakest": variant.weakest,
                        "strongest": variant.strongest,
                        "examples": places(variant.examples),
                        "drawn": [
                            contacts.describe_params(row.params or {}) for row in variant.examples
                        ],
                    }
                    for variant in family.variants
                ],
            }
            for family in sheets.families
        ],
        "people": [places(one) for one in sheets.people],
        "maskSheets": [_group(group, places) for group in sheets.masks],
        "rejectedSheets": [_group(group, places) for group in sheets.rejected],
    }


def _group(
    group: contacts.Group, places: Callable[[Iterable[ManifestRow]], list[int]]
) -> dict[str, Any]:
    return {
        "key": group.key,
        "title": group.title,
        "note": group.note,
        "count": group.count,
        "examples": places(group.examples),
    }
