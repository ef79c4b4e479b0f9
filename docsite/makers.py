"""The functions that generate the blocks of the pages in ``docs/``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from docsite.api import GROUPS, overview, reference
from docsite.commands import commands_reference
from docsite.errors import exit_codes
from docsite.pages import Maker
from docsite.records import manifest_columns, masks_columns, params_examples, rejected_columns
from docsite.settings import (
    at_full_intensity,
    recipe_defaults,
    recipe_reference,
    training_defaults,
    training_reference,
)
from visnet_aug.backgrounds.settings import BackgroundSettings

MAKERS: Final[Mapping[str, Maker]] = {
    "recipe reference": recipe_reference,
    "recipe defaults": recipe_defaults,
    "training reference": training_reference,
    "training defaults": training_defaults,
    "commands": commands_reference,
    "manifest.csv": manifest_columns,
    "params": params_examples,
    "masks.csv": masks_columns,
    "rejected.csv": rejected_columns,
    "exit codes": exit_codes,
    **{f"overview of {package}": partial(overview, package) for package in GROUPS},
    **{f"reference of {package}": partial(reference, package) for package in GROUPS},
    **{
        f"variants of {name}": partial(at_full_intensity, name)
        for name in BackgroundSettings().families()
    },
}
"""The makers of blocks, by name."""
