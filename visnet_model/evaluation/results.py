"""``results.json``: every number of an evaluation, and what it is of.

Keys are only ever added. Nothing in it depends on the time, so equal evaluations give equal files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from visnet_aug.files import write_file
from visnet_model.evaluation.camera_pairs import CameraPair, evaluate_camera_pairs
from visnet_model.evaluation.distances import EuclideanDistances
from visnet_model.evaluation.evaluate import Evaluation, EvaluationOptions
from visnet_model.evaluation.probe import Probe, Version
from visnet_model.evaluation.ranking import RANKS, Ranking
from visnet_model.evaluation.tables import Cost
from visnet_model.network.complexity import count_flops, count_parameters
from visnet_model.network.visnet import VisNet
from visnet_model.provenance import device_name, sha256_of, versions

FORMAT = "visnet-results-1"


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What was evaluated, on what, where.

    Attributes:
        checkpoint: File of the network.
        trained: What is to be told of its training, as JSON types.
        manifest: File that lists the images.
        device: Where the network ran.
        options: How.
    """

    checkpoint: Path
    trained: Mapping[str, Any]
    manifest: Path
    device: torch.device
    options: EvaluationOptions


def measure_cost(network: VisNet, size: tuple[int, int], *, flip: bool = False) -> Cost:
    """Count a network's parameters and, where thop is installed, FLOPs of an embedding.

    Args:
        network: Left as it is.
        size: Height and width of its images.
        flip: Whether the mirrored image is embedded, too.
    """
    flops = None
    if find_spec("thop") is not None:
        flops = (1 + flip) * count_flops(network, short_cut=True, size=size)
    return Cost(count_parameters(network), flops)


def pair_cameras(evaluation: Evaluation) -> tuple[CameraPair, ...]:
    """Evaluate each two cameras of an evaluation."""
    query, gallery = evaluation.query, evaluation.gallery
    return evaluate_camera_pairs(
        EuclideanDistances(query.embeddings, gallery.embeddings),
        query.table.pids,
        gallery.table.pids,
        query.table.camids,
        gallery.table.camids,
    )


def collect_results(
    subject: Subject,
    evaluation: Evaluation,
    cost: Cost,
    pairs: Sequence[CameraPair] | None = None,
    probe: Probe | None = None,
) -> dict[str, Any]:
    """Collect all numbers as JSON types.

    Args:
        subject: What was evaluated.
        evaluation: Its outcome.
        cost: Of the network.
        pairs: Camera pairs, if they were asked for.
        probe: Background sensitivity, if it was asked for.

    Returns:
        Rates in 0..1; ``None`` for what was not asked for or cannot be known.
    """
    reranked = evaluation.reranked
    return {
        "format": FORMAT,
        "checkpoint": {
            "path": str(subject.checkpoint),
            "sha256": sha256_of(subject.checkpoint),
            **subject.trained,
        },
        "manifest": {"path": str(subject.manifest), "sha256": sha256_of(subject.manifest)},
        "settings": asdict(subject.options),
        "device": device_name(subject.device),
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


def _numbers(ranking: Ranking) -> dict[str, Any]:
    return {
        "mAP": ranking.mAP,
        "mINP": ranking.mINP,
        **{f"rank{rank}": ranking.cmc[rank] for rank in RANKS},
        "cmc": list(ranking.cmc.values()),
        "queries": ranking.queries,
        "queries_without_match": ranking.left_out,
    }


def _sensitivity(probe: Probe) -> dict[str, Any]:
    return {
        "untouched": asdict(probe.untouched),
        "versions": {version.family: _version(version, probe) for version in probe.versions},
        "mean": _version(probe.mean, probe),
        "query": {"images": probe.query, "never_rewritten": probe.kept_query},
        "gallery": {"images": probe.gallery, "never_rewritten": probe.kept_gallery},
    }


def _version(version: Version, probe: Probe) -> dict[str, Any]:
    return {
        side: {**asdict(accuracy), "lost": asdict(accuracy.lost(probe.untouched))}
        for side, accuracy in (("queries", version.queries), ("both", version.both))
    }
