"""``results.json``: all numbers of an evaluation, and its inputs.

Keys are added, never renamed or removed. Nothing in it depends on the time, so equal evaluations
give equal files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from visnet_aug.files import write_file
from visnet_model.checkpoint import LoadedNetwork
from visnet_model.evaluation.accuracy import Evaluation, EvaluationOptions
from visnet_model.evaluation.camera_pairs import CameraPair
from visnet_model.evaluation.complexity import Cost
from visnet_model.evaluation.probe import BackgroundSensitivity, Version
from visnet_model.evaluation.ranking import RANKS, Ranking
from visnet_model.provenance import checksum, device_name, versions

FORMAT = "visnet-results-1"


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationInputs:
    """What was evaluated, on which images, and how.

    Attributes:
        checkpoint: The network's file.
        loaded: The network.
        manifest: The manifest of the images.
        device: Where the network ran.
        options: How it was evaluated.
    """

    checkpoint: Path
    loaded: LoadedNetwork
    manifest: Path
    device: torch.device
    options: EvaluationOptions


def collect_results(
    inputs: EvaluationInputs,
    evaluation: Evaluation,
    cost: Cost,
    pairs: Sequence[CameraPair] | None = None,
    probe: BackgroundSensitivity | None = None,
) -> dict[str, Any]:
    """Collect all numbers as JSON types.

    Args:
        inputs: What was evaluated.
        evaluation: The result.
        cost: Cost of the network.
        pairs: Camera pairs, if they were asked for.
        probe: Background sensitivity, if it was asked for.

    Returns:
        Rates are 0 to 1; what was not asked for, or is unknown, is ``None``.

    Raises:
        DatasetError: The checkpoint or the manifest cannot be read any more.
    """
    reranked = evaluation.reranked
    return {
        "format": FORMAT,
        "checkpoint": {
            "path": str(inputs.checkpoint),
            "sha256": checksum(inputs.checkpoint),
            **_training(inputs.loaded),
        },
        "manifest": {"path": str(inputs.manifest), "sha256": checksum(inputs.manifest)},
        "settings": asdict(inputs.options),
        "device": device_name(inputs.device),
        "versions": versions(),
        "query": {"images": len(evaluation.query.table)},
        "gallery": {"images": len(evaluation.gallery.table), "junk_left_out": evaluation.junk},
        "ranking": _numbers(evaluation.ranking),
        "reranked": None if reranked is None else _numbers(reranked),
        "camera_pairs": None if pairs is None else [asdict(pair) for pair in pairs],
        "cost": asdict(cost),
        "probe": None if probe is None else _sensitivity(probe),
    }


def write_results(results: Mapping[str, Any], path: Path) -> None:
    """Write results as JSON.

    Raises:
        OutputError: The file cannot be written.
    """
    write_file(path, (json.dumps(results, indent=2) + "\n").encode())


def _training(loaded: LoadedNetwork) -> dict[str, Any]:
    return {
        "epoch": loaded.epoch,
        "step": loaded.step,
        "identities": len(loaded.pids),
        "trained_on": {"path": str(loaded.manifest), "sha256": loaded.manifest_sha256},
        "config": loaded.config.model_dump(mode="json"),
    }


def _numbers(ranking: Ranking) -> dict[str, Any]:
    return {
        "mAP": ranking.mAP,
        "mINP": ranking.mINP,
        **{f"rank{rank}": ranking.cmc[rank] for rank in RANKS},
        "cmc": list(ranking.cmc.values()),
        "queries": ranking.queries,
        "queries_without_match": ranking.left_out,
    }


def _sensitivity(probe: BackgroundSensitivity) -> dict[str, Any]:
    return {
        "untouched": asdict(probe.untouched),
        "versions": {version.family: _version(version, probe) for version in probe.versions},
        "mean": _version(probe.mean, probe),
        "query": {"images": probe.query, "never_rewritten": probe.kept_query},
        "gallery": {"images": probe.gallery, "never_rewritten": probe.kept_gallery},
    }


def _version(version: Version, probe: BackgroundSensitivity) -> dict[str, Any]:
    return {
        side: {**asdict(accuracy), "lost": asdict(accuracy.lost(probe.untouched))}
        for side, accuracy in (("queries", version.queries), ("both", version.both))
    }
