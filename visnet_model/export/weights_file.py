"""The inference network as safetensors: its weights as they were trained, to go on with in Python.

Nothing is folded: keys and tensors are the checkpoint's own, bit for bit, with torchvision's names
within the backbone. `load_exported` reads the file back:

    from visnet_model.export.weights_file import load_exported

    exported = load_exported("visnet.safetensors")
    embeddings = exported.network(images)  # what they have to be: exported.description.input

`visnet_model.export.network.fold_batch_norms` makes that network faster, at the price of rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from visnet_model.errors import CheckpointError, ExportError
from visnet_model.export.checked import trial_inputs, write_checked
from visnet_model.export.description import Description
from visnet_model.export.network import InferenceNetwork

SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class Exported:
    """What a file holds: the network, in eval mode, and its description."""

    network: InferenceNetwork
    description: Description


def write_weights(path: Path, network: InferenceNetwork, description: Description) -> int:
    """Write a network's state dict and description, and read them back.

    Args:
        path: The file; replaced if it is there. Its folder must exist.
        network: On the CPU.
        description: Of the network; becomes the file's metadata.

    Returns:
        The file's size in bytes.

    Raises:
        ExportError: What was read back is not bit for bit what was written, or weights are not
            finite. Nothing is written then.
        OutputError: The file cannot be written.
    """
    state = {key: value.contiguous() for key, value in network.state_dict().items()}
    broken = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise ExportError(
            f"the checkpoint's {broken[0]} is not finite: its training diverged; take an earlier "
            "one"
        )
    data = save(state, metadata=description.metadata())
    write_checked(path, data, lambda part: _check(part, network, description))
    return len(data)


def load_exported(path: str | Path, device: torch.device | str = "cpu") -> Exported:
    """Read a network back, to embed with it.

    Args:
        path: A file of ``visnet-export --format safetensors``.
        device: Where to put the network.

    Raises:
        CheckpointError: The file is missing, unreadable, or not such a file.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        metadata, state = _read(path)
        description = Description.from_metadata(metadata)
        network = InferenceNetwork(description.backbone, normalise=description.normalise)
        network.load_state_dict(state)
    # safetensors' own error derives from Exception alone.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(
            f"{path}: not an export of visnet-export --format safetensors: {reason}"
        ) from error
    return Exported(network.to(device), description)


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def _check(path: Path, network: InferenceNetwork, description: Description) -> None:
    """Compare a file with what was written: description, tensors, embeddings."""
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
        raise ExportError("the file read back is not what was written: not exported; try again")
