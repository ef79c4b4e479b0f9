"""VisNet: a person re-identification network, its losses, training, evaluation and export.

The names below are the public API. They are imported when they are first used, so that
``import visnet_model`` does not import torch.

    from visnet_model import TrainConfig, evaluate, train

    run = train("aug/manifest.csv", "runs/market", config=TrainConfig())
    print(evaluate(run.checkpoint))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from visnet_aug import __version__

if TYPE_CHECKING:
    from visnet_model.checkpoint import LoadedNetwork, load_network
    from visnet_model.config import TrainConfig
    from visnet_model.data.sampler import PKSampler
    from visnet_model.evaluation.evaluate import EvaluationReport, evaluate
    from visnet_model.evaluation.ranking import Ranking, evaluate_distances, evaluate_ranking
    from visnet_model.export.embed import ImageEmbeddings, embed
    from visnet_model.export.export import ExportedFile, export_network
    from visnet_model.export.weights_file import ExportedNetwork, load_exported
    from visnet_model.losses.fidi import FidiLoss
    from visnet_model.losses.weighting import DynamicWeightAveraging
    from visnet_model.network.visnet import TrainingOutputs, VisNet
    from visnet_model.training.run import TrainedRun, resume_training, train

__all__ = [
    "DynamicWeightAveraging",
    "EvaluationReport",
    "ExportedFile",
    "ExportedNetwork",
    "FidiLoss",
    "ImageEmbeddings",
    "LoadedNetwork",
    "PKSampler",
    "Ranking",
    "TrainConfig",
    "TrainedRun",
    "TrainingOutputs",
    "VisNet",
    "__version__",
    "embed",
    "evaluate",
    "evaluate_distances",
    "evaluate_ranking",
    "export_network",
    "load_exported",
    "load_network",
    "resume_training",
    "train",
]

_MODULES = {
    "DynamicWeightAveraging": "losses.weighting",
    "EvaluationReport": "evaluation.evaluate",
    "ExportedFile": "export.export",
    "ExportedNetwork": "export.weights_file",
    "FidiLoss": "losses.fidi",
    "ImageEmbeddings": "export.embed",
    "LoadedNetwork": "checkpoint",
    "PKSampler": "data.sampler",
    "Ranking": "evaluation.ranking",
    "TrainConfig": "config",
    "TrainedRun": "training.run",
    "TrainingOutputs": "network.visnet",
    "VisNet": "network.visnet",
    "embed": "export.embed",
    "evaluate": "evaluation.evaluate",
    "evaluate_distances": "evaluation.ranking",
    "evaluate_ranking": "evaluation.ranking",
    "export_network": "export.export",
    "load_exported": "export.weights_file",
    "load_network": "checkpoint",
    "resume_training": "training.run",
    "train": "training.run",
}
"""Where each public name is defined."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
