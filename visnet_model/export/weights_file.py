"""The inference network as safetensors: the weights as trained, for use in Python.

Keys and tensors are those of the checkpoint, bit by bit, with torchvision's names in the backbone.
`load_exported` loads the file; `visnet_model.export.network.fold_batch_norms` makes the loaded
network faster, with rounding differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from visnet_aug.hardware import choose_device
from visnet_model.errors import CheckpointError, ExportError, TrainingError
from visnet_model.export.checked import trial_inputs, write_checked
from visnet_model.export.description import Description
from visnet_model.export.network import InferenceNetwork

SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class ExportedNetwork:
    """An exported network.

    Attributes:
        network: The network, in eval mode.
        description: What it takes and returns, and the checkpoint that it comes from.

    Examples:
        >>> from visnet_model import export_network, load_exported
        >>> _ = export_network("runs/market/last.pt", "visnet.safetensors", "safetensors")
        >>> load_exported("visnet.safetensors").description.dimensions
        512
    """

    network: InferenceNetwork
    description: Description


def write_weights(path: Path, network: InferenceNetwork, description: Description) -> int:
    """Write the state dict and description of a network, and read them back to check them.

    Args:
        path: The file; replaced if it exists. Its folder must exist.
        network: On the CPU.
        description: Description of the network; becomes the file's metadata.

    Returns:
        The size of the file in bytes.

    Raises:
        TrainingError: Weights are not finite. Nothing is written then.
        ExportError: The file read back is not bit by bit what was written. Nothing is written then.
        OutputError: The file cannot be written.
    """
    state = {key: value.contiguous() for key, value in network.state_dict().items()}
    broken = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise TrainingError(
            f"{broken[0]} of this checkpoint is not finite: its training diverged; use an earlier "
            "checkpoint"
        )
    data = save(state, metadata=description.metadata())
    write_checked(path, data, lambda part: _check(part, network, description))
    return len(data)


def load_exported(path: str | Path, device: torch.device | str = "cpu") -> ExportedNetwork:
    """Load a network from a file of ``visnet-export --format safetensors``.

    Args:
        path: The file.
        device: Where to put the network: ``cpu``, ``cuda``, ``cuda:1``, ..., or ``auto`` for the
            first GPU, or the CPU where there is none.

    Returns:
        The network in eval mode. It takes what ``description.input`` says, and returns float32 N×D
        of unit L2 norm.

    Raises:
        CheckpointError: The file is missing, unreadable, or not such a file.
        RecipeError: This machine has no such device.

    Examples:
        >>> import torch
        >>> from visnet_model import export_network, load_exported
        >>> _ = export_network(
        ...     "runs/market/last.pt", "visnet.safetensors", "safetensors", normalise=True
        ... )
        >>> exported = load_exported("visnet.safetensors")
        >>> exported.description.input
        'uint8 RGB N×3×32×32, 0 to 255'
        >>> with torch.inference_mode():
        ...     exported.network(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([2, 512])
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        metadata, state = _read(path)
        description = Description.from_metadata(metadata)
        network = InferenceNetwork(description.backbone, normalise=description.normalise)
        network.load_state_dict(state)
    # safetensors' error derives directly from Exception.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(
            f"{path}: not an export of visnet-export --format safetensors: {reason}"
        ) from error
    if isinstance(device, str):
        device = choose_device(device)
    return ExportedNetwork(network.to(device), description)


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def _check(path: Path, network: InferenceNetwork, description: Description) -> None:
    """Check that a file has the description, tensors and embeddings that were written."""
    exported = load_exported(path)
    read, wanted = exported.network.state_dict(), network.state_dict()
    same = (
        exported.description == description
        and read.keys() == wanted.keys()
        and all(torch.equal(read[key], wanted[key]) for key in wanted)
    )
    with torch.inference_mode():
        for inputs in trial_inputs(description):
            same = same and torch.equal(exported.network(inputs), network(inputs))
    if not same:
        raise ExportError(
            "the file read back differs from what was written: not exported; try again"
        )
