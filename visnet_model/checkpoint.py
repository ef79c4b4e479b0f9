"""Checkpoints: plain types and tensors, there whole or not at all.

A file holds nothing but numbers, text, lists, mappings and tensors, and is read with
``weights_only=True``: a checkpoint from elsewhere can be wrong, but it runs no code.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from visnet_aug.files import replace_file
from visnet_model.config import TrainConfig
from visnet_model.errors import CheckpointError
from visnet_model.network.visnet import VisNet

FORMAT = "visnet-checkpoint-1"
"""What the file says of itself; another number is another layout."""


class _Manifest(BaseModel):
    """Which table it was trained on."""

    model_config = ConfigDict(strict=True, extra="forbid")

    path: str
    sha256: str


class _Layout(BaseModel):
    """What a checkpoint of this format holds.

    ``config`` is `TrainConfig` as JSON types; ``pids`` the identities in the order of the
    classifier's rows. ``epoch``, ``batch`` in it, and ``step`` in all say what comes next, and with
    the seed they are the state of every generator: batches, augmentation and dropout are drawn from
    them anew at each step. ``results`` has the evaluations so far, oldest first.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal["visnet-checkpoint-1"]
    versions: dict[str, Any]
    config: dict[str, Any]
    pids: list[int]
    manifest: _Manifest
    network: dict[str, Any]
    optimiser: dict[str, Any]
    weighting: dict[str, Any]
    epoch: NonNegativeInt
    batch: NonNegativeInt
    step: NonNegativeInt
    results: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A trained network and what is known of it.

    Attributes:
        network: In eval mode, on the device asked for.
        config: What it was trained with.
        pids: Identities of the classifier's rows.
        epoch: Finished epochs.
        step: Finished steps.
        manifest: Path of the manifest it was trained on, as it was given then.
        manifest_sha256: Checksum of that file.
        results: Evaluations on the way, oldest first, each with ``epoch``, ``step``, ``mAP``, ...
    """

    network: VisNet
    config: TrainConfig
    pids: tuple[int, ...]
    epoch: int
    step: int
    manifest: Path
    manifest_sha256: str
    results: tuple[Mapping[str, Any], ...]


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint under a temporary name, flush it to the disk, and rename it.

    Args:
        path: The file; replaced if it is there. Its folder must exist.
        state: All of `_Layout` but ``format``.

    Raises:
        OutputError: It cannot be written; what was there before still is.
    """
    whole = {"format": FORMAT, **state}
    _Layout.model_validate(whole)  # what cannot be read again must not be written
    replace_file(path, lambda file: torch.save(whole, file), durable=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint with all tensors on the CPU.

    Raises:
        CheckpointError: It is missing, unreadable, or not one of ours.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own text advises to trust the file
        raise CheckpointError(
            f"{path}: holds more than numbers, text and tensors, or is damaged; not loaded"
        ) from error
    # torch passes on whatever reading a zip and unpickling meet; there is no class for it.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise CheckpointError(f"{path}: cannot be read as a checkpoint: {reason}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: not a checkpoint of visnet-train ({FORMAT}); if it holds a backbone's "
            "weights, give it as --init"
        )
    try:
        _Layout.model_validate(state)
    except ValidationError as error:
        raise CheckpointError(f"{path}: damaged: {_first(error)}") from error
    return state


def config_of(state: Mapping[str, Any], path: Path) -> TrainConfig:
    """Return a checkpoint's config.

    Raises:
        CheckpointError: This version cannot read it.
    """
    try:
        return TrainConfig.model_validate(state["config"])
    except ValidationError as error:
        raise CheckpointError(f"{path}: config.{_first(error)}") from error


def load_network(path: Path, device: torch.device | str = "cpu") -> LoadedNetwork:
    """Read a trained network, to evaluate, export or embed with it.

    Args:
        path: A checkpoint of `write_checkpoint`.
        device: Where to put it.

    Raises:
        CheckpointError: It is missing, unreadable, or not one of ours.
    """
    state = read_checkpoint(path)
    config = config_of(state, path)
    network = VisNet(
        len(state["pids"]), backbone=config.network.backbone, dropout=config.network.dropout
    )
    try:
        network.load_state_dict(state["network"])
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: its weights do not fit its config: {reason}") from error
    return LoadedNetwork(
        network=network.to(device).eval(),
        config=config,
        pids=tuple(state["pids"]),
        epoch=state["epoch"],
        step=state["step"],
        manifest=Path(state["manifest"]["path"]),
        manifest_sha256=state["manifest"]["sha256"],
        results=tuple(state["results"]),
    )


def _first(error: ValidationError) -> str:
    """Name the first value that cannot be used, and why."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
