"""Checkpoints: files of plain types and tensors, complete or absent.

A file only holds numbers, text, lists, mappings and tensors, and is read with
``weights_only=True``: a checkpoint from elsewhere can be wrong, but it cannot run code.
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
from visnet_aug.hardware import choose_device
from visnet_model.config import TrainConfig
from visnet_model.errors import CheckpointError
from visnet_model.network.visnet import VisNet

FORMAT = "visnet-checkpoint-1"
"""Format name in the file; a new layout gets a new number."""


class _Manifest(BaseModel):
    """The manifest that a network was trained on."""

    model_config = ConfigDict(strict=True, extra="forbid")

    path: str
    sha256: str


class _Layout(BaseModel):
    """Content of a checkpoint of this format.

    ``config`` is `TrainConfig` as JSON types, ``pids`` are the identities in the order of the
    classifier's rows. ``epoch``, ``batch`` (within the epoch) and ``step`` (in total) are the next
    ones. Together with the seed they are the state of all random generators, because batches,
    augmentation and dropout are drawn anew in each step. ``results`` has the evaluations so far,
    oldest first.
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
    """A trained network with its training's config and progress.

    Attributes:
        network: The network, in eval mode.
        config: The config that it was trained with.
        pids: Identities in the order of the classifier's rows.
        epoch: Number of finished epochs.
        step: Number of finished steps.
        manifest: Path of the training's manifest, as it was given then.
        manifest_sha256: Checksum of that manifest.
        results: Evaluations during the training, oldest first, each with ``epoch``, ``step``,
            ``mAP``, ...

    Examples:
        >>> from visnet_model import load_network
        >>> loaded = load_network("runs/market/last.pt")
        >>> loaded.config.data.height, loaded.config.data.width
        (32, 32)
    """

    network: VisNet
    config: TrainConfig
    pids: tuple[int, ...]
    epoch: int
    step: int
    manifest: Path
    manifest_sha256: str
    results: tuple[Mapping[str, Any], ...]


def load_network(path: str | Path, device: torch.device | str = "cpu") -> LoadedNetwork:
    """Load a trained network from a checkpoint of ``visnet-train``.

    Args:
        path: The checkpoint, such as ``runs/market/last.pt``.
        device: Where to put the network: ``cpu``, ``cuda``, ``cuda:1``, ..., or ``auto`` for the
            first GPU, or the CPU where there is none.

    Returns:
        The network in eval mode. It takes float32 N×3×H×W, normalised with ImageNet's mean and
        standard deviation, and returns float32 N×D of unit L2 norm.

    Raises:
        CheckpointError: The checkpoint is missing, unreadable, or not one of ours.
        RecipeError: This machine has no such device.

    Examples:
        >>> import torch
        >>> from visnet_model import load_network
        >>> network = load_network("runs/market/last.pt").network
        >>> with torch.inference_mode():
        ...     embeddings = network(torch.zeros(2, 3, 32, 32))
        >>> embeddings.shape
        torch.Size([2, 512])
    """
    path = Path(path)
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
    if isinstance(device, str):
        device = choose_device(device)
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


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint under a temporary name, flush it to the disk, and rename it.

    Args:
        path: The file; replaced if it exists. Its folder must exist.
        state: All fields of `_Layout` except ``format``.

    Raises:
        OutputError: The file cannot be written; an existing one is unchanged.
    """
    whole = {"format": FORMAT, **state}
    _Layout.model_validate(whole)  # never write what cannot be read again
    replace_file(path, lambda file: torch.save(whole, file), durable=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, with all tensors on the CPU.

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
    # torch.load raises whatever unzipping and unpickling raise; they have no common class.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise CheckpointError(f"{path}: cannot be read as a checkpoint: {reason}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: not a checkpoint of visnet-train ({FORMAT}); if it holds the weights of a "
            "backbone, use it with --init"
        )
    try:
        _Layout.model_validate(state)
    except ValidationError as error:
        raise CheckpointError(f"{path}: damaged: {_first(error)}") from error
    return state


def config_of(state: Mapping[str, Any], path: Path) -> TrainConfig:
    """Return the config of a checkpoint.

    Raises:
        CheckpointError: This version cannot read it.
    """
    try:
        return TrainConfig.model_validate(_current(state["config"]))
    except ValidationError as error:
        raise CheckpointError(f"{path}: config.{_first(error)}") from error


def _current(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with today's names: K was ``images`` in the first checkpoints."""
    data = config.get("data")
    if not isinstance(data, dict) or "images" not in data:
        return dict(config)
    renamed = {"num_instances" if key == "images" else key: value for key, value in data.items()}
    return {**config, "data": renamed}


def _first(error: ValidationError) -> str:
    """Return the first value that cannot be used, and the reason."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
