"""The one door to Albumentations, imported as ``loading`` says.

``A`` is the package, ``fblur`` and ``fpixel`` its array functions.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from visnet_aug.backgrounds.loading import load_albumentations

A: Any = load_albumentations()
fblur: Any = import_module("albumentations.augmentations.blur.functional")
fpixel: Any = import_module("albumentations.augmentations.pixel.functional")
