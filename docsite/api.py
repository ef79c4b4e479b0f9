"""The reference of the public API: an overview of names, and what mkdocstrings renders of each."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Final

from docsite.markdown import blocks, table

GROUPS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "visnet_aug": {
        "Masks": ("Segmenter", "PersonMask", "MaskSettings", "make_masks"),
        "Backgrounds": (
            "rewrite_background",
            "BackgroundAugment",
            "BackgroundSettings",
            "ColorShift",
            "Texture",
            "Noise",
            "Blur",
            "Pattern",
            "Gradient",
        ),
        "Datasets": (
            "Recipe",
            "load_recipe",
            "build",
            "build_probe",
            "BuildResult",
            "read_manifest",
            "ManifestRow",
            "verify",
            "Verdict",
            "replay",
            "Replay",
            "Variation",
        ),
        "Pictures and drawn people": (
            "write_report",
            "preview",
            "Preview",
            "draw_dataset",
            "DrawnSummary",
            "draw_sample",
            "DrawnSample",
        ),
        "Errors": (
            "VisnetError",
            "RecipeError",
            "DatasetError",
            "PlanError",
            "WeightsError",
            "OutputError",
            "ManifestError",
            "WorkerError",
            "EngineError",
        ),
    },
    "visnet_model": {
        "Network": (
            "VisNet",
            "TrainingOutputs",
            "load_network",
            "LoadedNetwork",
            "load_exported",
            "ExportedNetwork",
        ),
        "Training": (
            "train",
            "resume_training",
            "TrainConfig",
            "TrainedRun",
            "PKSampler",
            "FidiLoss",
            "DynamicWeightAveraging",
        ),
        "Evaluation": (
            "evaluate",
            "EvaluationReport",
            "evaluate_ranking",
            "evaluate_distances",
            "Ranking",
        ),
        "Embedding and export": ("embed", "ImageEmbeddings", "export_network", "ExportedFile"),
    },
}
"""The public names of both packages as the reference arranges them."""


def overview(package: str) -> str:
    """List a package's public names with one line on each, linked to the reference."""
    module = import_module(package)
    parts = []
    for title, names in GROUPS[package].items():
        rows = [
            (f"[`{name}`]({package}.md#{package}.{name})", _summary(getattr(module, name)))
            for name in names
        ]
        parts += [f"### {title}", table(("name", "what it is"), rows)]
    return blocks(*parts)


def reference(package: str) -> str:
    """Write what mkdocstrings turns into the reference of a package."""
    parts = []
    for title, names in GROUPS[package].items():
        parts += [f"## {title}", *(f"::: {package}.{name}" for name in names)]
    return blocks(*parts)


def _summary(thing: object) -> str:
    """Return the first sentence of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")
