"""The type of the fixture `build_each`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from visnet_aug.recipe import Recipe

BuildEach: TypeAlias = Callable[[Mapping[str, Recipe], Path], dict[str, Path]]
"""Builds the small dataset by each recipe, into a folder of the recipe's name below the path."""
