"""The one door to Albumentations, imported as ``loading`` says: ``A`` is the package."""

from __future__ import annotations

from typing import Any

from visnet_aug.backgrounds.loading import load_albumentations

A: Any = load_albumentations()
