"""visnet-aug: background-rewritten person re-identification datasets, exact and reproducible.

The public names are imported when they are first used: ``import visnet_aug`` alone imports neither
NumPy nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from visnet_aug.backgrounds.augment import BackgroundAugment
    from visnet_aug.backgrounds.blur import Blur
    from visnet_aug.backgrounds.color import ColorShift
    from visnet_aug.backgrounds.gradient import Gradient
    from visnet_aug.backgrounds.noise import Noise
    from visnet_aug.backgrounds.pattern import Pattern
    from visnet_aug.backgrounds.rewrite import rewrite_background
    from visnet_aug.backgrounds.settings import BackgroundSettings
    from visnet_aug.backgrounds.texture import Texture
    from visnet_aug.builder.build import BuildResult, build, build_probe, make_masks
    from visnet_aug.datasets.drawn.dataset import DrawnSummary, draw_dataset
    from visnet_aug.datasets.drawn.sample import DrawnSample, draw_sample
    from visnet_aug.errors import (
        DatasetError,
        EngineError,
        ManifestError,
        OutputError,
        PlanError,
        RecipeError,
        VisnetError,
        WeightsError,
        WorkerError,
    )
    from visnet_aug.manifest import ManifestRow, read_manifest
    from visnet_aug.masks.person import PersonMask
    from visnet_aug.masks.segmenter import Segmenter
    from visnet_aug.masks.settings import MaskSettings
    from visnet_aug.previews.preview import Preview, preview
    from visnet_aug.recipe import Recipe, load_recipe
    from visnet_aug.report.site import write_report
    from visnet_aug.reproduction import Replay, Variation, replay
    from visnet_aug.verification.verdict import Verdict
    from visnet_aug.verification.verify import verify

__version__ = "0.1.0"

RELEASED = "2026-11-22"
"""The day of this version, ISO 8601."""

__all__ = [
    "BackgroundAugment",
    "BackgroundSettings",
    "Blur",
    "BuildResult",
    "ColorShift",
    "DatasetError",
    "DrawnSample",
    "DrawnSummary",
    "EngineError",
    "Gradient",
    "ManifestError",
    "ManifestRow",
    "MaskSettings",
    "Noise",
    "OutputError",
    "Pattern",
    "PersonMask",
    "PlanError",
    "Preview",
    "Recipe",
    "RecipeError",
    "Replay",
    "Segmenter",
    "Texture",
    "Variation",
    "Verdict",
    "VisnetError",
    "WeightsError",
    "WorkerError",
    "__version__",
    "build",
    "build_probe",
    "draw_dataset",
    "draw_sample",
    "load_recipe",
    "make_masks",
    "preview",
    "read_manifest",
    "replay",
    "rewrite_background",
    "verify",
    "write_report",
]

_HOMES: Final = {
    "backgrounds.augment": ("BackgroundAugment",),
    "backgrounds.blur": ("Blur",),
    "backgrounds.color": ("ColorShift",),
    "backgrounds.gradient": ("Gradient",),
    "backgrounds.noise": ("Noise",),
    "backgrounds.pattern": ("Pattern",),
    "backgrounds.rewrite": ("rewrite_background",),
    "backgrounds.settings": ("BackgroundSettings",),
    "backgrounds.texture": ("Texture",),
    "builder.build": ("BuildResult", "build", "build_probe", "make_masks"),
    "datasets.drawn.dataset": ("DrawnSummary", "draw_dataset"),
    "datasets.drawn.sample": ("DrawnSample", "draw_sample"),
    "errors": (
        "DatasetError",
        "EngineError",
        "ManifestError",
        "OutputError",
        "PlanError",
        "RecipeError",
        "VisnetError",
        "WeightsError",
        "WorkerError",
    ),
    "manifest": ("ManifestRow", "read_manifest"),
    "masks.person": ("PersonMask",),
    "masks.segmenter": ("Segmenter",),
    "masks.settings": ("MaskSettings",),
    "previews.preview": ("Preview", "preview"),
    "recipe": ("Recipe", "load_recipe"),
    "report.site": ("write_report",),
    "reproduction": ("Replay", "Variation", "replay"),
    "verification.verdict": ("Verdict",),
    "verification.verify": ("verify",),
}
"""The module of each public name."""


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
