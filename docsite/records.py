"""Reference of tables: the columns of a build's CSV files, and the contents of ``params``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from docsite.markdown import attributes, code, table
from visnet_aug.backgrounds.loading import load_albumentations
from visnet_aug.backgrounds.settings import BackgroundSettings
from visnet_aug.datasets.rejected import RejectedRow
from visnet_aug.manifest import ManifestRow, read_manifest
from visnet_aug.masks.store import MaskEntry

CROP = (128, 64)
"""Height and width of the image that the examples of ``params`` are drawn for."""

EXAMPLE = Path(__file__).with_name("example-manifest.csv")
"""An original and its copy: the first rows that ``draw --identities 48`` and ``build`` made."""


def manifest_columns() -> str:
    """Describe ``manifest.csv``."""
    *_, copy = read_manifest(EXAMPLE)
    return columns(ManifestRow, copy)


def masks_columns() -> str:
    """Describe ``masks.csv``."""
    return columns(MaskEntry)


def rejected_columns() -> str:
    """Describe ``rejected.csv``."""
    return columns(RejectedRow)


def columns(record: type, example: object = None) -> str:
    """Lay out the fields of a record, which are the columns of a file, in order."""
    meanings, kinds = attributes(record), get_type_hints(record)
    return table(
        ("column", "type", "meaning", *([] if example is None else ["example"])),
        (
            (
                code(field.name),
                type_in_words(kinds[field.name]),
                meanings[field.name].replace("`None`", "empty"),
                *([] if example is None else [_cell(getattr(example, field.name))]),
            )
            for field in fields(record)
        ),
    )


def type_in_words(kind: Any) -> str:
    """Describe the contents of a cell; a cell that can be ``None`` can be empty."""
    if get_origin(kind) in (Union, UnionType):
        parts = [type_in_words(part) for part in get_args(kind) if part is not NoneType]
        return ", ".join(parts) + (", or empty" if NoneType in get_args(kind) else "")
    if get_origin(kind) is Literal:
        return ", ".join(code(choice) if choice else "empty" for choice in get_args(kind))
    if get_origin(kind) is not None and issubclass(get_origin(kind), Mapping):
        return "JSON object"
    return {int: "integer", float: "number", str: "text"}[kind]


def params_examples() -> str:
    """Draw example ``params`` for each variant of the six families."""
    load_albumentations(torch=False)
    from visnet_aug.backgrounds.registry import FAMILIES, make_family

    settings = BackgroundSettings()
    rows = []
    for name in FAMILIES:
        family = make_family(name, settings)
        for variant in family.variants:
            record = family.draw(variant, 0.8, CROP, np.random.default_rng(0))
            rows.append((code(name), code(variant), code(json.dumps(record, sort_keys=True))))
    return table(("family", "variant", "params"), rows)


def _cell(value: object) -> str:
    """Write a value as in a cell, shortened if it is long."""
    if value is None:
        return ""
    text = json.dumps(value) if isinstance(value, Mapping) else str(value)
    return code(text if len(text) <= 64 else f"{text[:12]}…")
