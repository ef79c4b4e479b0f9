"""Export the inference network of a checkpoint as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visnet_aug.errors import OutputError
from visnet_model.checkpoint import load_network
from visnet_model.export.checked import check_target
from visnet_model.export.description import Description
from visnet_model.export.network import inference_network
from visnet_model.export.onnx_file import OPSET, OnnxFile, check_packages, write_onnx
from visnet_model.export.weights_file import write_weights
from visnet_model.provenance import checksum


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of `export_network`.

    Attributes:
        path: The file.
        size: Its size in bytes.
        description: What the network takes and returns.
        onnx: Details of an ONNX file; ``None`` for safetensors.

    Examples:
        >>> from visnet_model import export_network
        >>> exported = export_network("runs/market/last.pt", "x.safetensors", "safetensors")
        >>> exported.description.output
        'float32 N×512 of unit L2 norm, to compare by Euclidean distance'
    """

    path: Path
    size: int
    description: Description
    onnx: OnnxFile | None


def export_network(
    checkpoint: str | Path,
    to: str | Path,
    format: Literal["onnx", "safetensors"],
    *,
    normalise: bool = False,
    opset: int = OPSET,
) -> ExportedFile:
    """Write the inference network of a checkpoint to a file, as ``visnet-export`` does.

    The network consists of backbone, fusion, BN neck and L2 norm; semantic head and classifier are
    only needed in training. The file is tested before it gets its name: ONNX in ONNX Runtime,
    whose embeddings may differ from torch's by 1e-4, safetensors bit by bit.

    Args:
        checkpoint: Checkpoint of ``visnet-train``.
        to: File to write; replaced if it exists. Its folder must exist.
        format: ``onnx``, with folded batch normalisation, or ``safetensors``, with the weights as
            trained, for `load_exported` and `embed`.
        normalise: Whether the network takes uint8 images, 0 to 255, and normalises them itself;
            otherwise it takes float32 that is normalised with ImageNet's mean and standard
            deviation.
        opset: Version of ONNX's operators, at least 18; not used for safetensors.

    Raises:
        CheckpointError: The checkpoint is missing, unreadable, or not one of ours.
        OutputError: The file cannot be written, or is the checkpoint itself.
        MissingPackageError: A package that ONNX needs is not installed.
        ExportError: The network cannot be exported, or the file does not compute the same.
        TrainingError: The network's training diverged.

    Examples:
        >>> from visnet_model import export_network
        >>> exported = export_network("runs/market/last.pt", "visnet.safetensors", "safetensors")
        >>> exported.description.input
        'float32 RGB N×3×32×32, 0 to 1, then minus mean, divided by std'
    """
    checkpoint, to = Path(checkpoint), Path(to)
    if to.exists() and checkpoint.exists() and to.samefile(checkpoint):
        raise OutputError(f"{to}: is the checkpoint itself; name another file")
    if format == "onnx":
        check_packages()
    check_target(to)
    loaded = load_network(checkpoint)
    network = inference_network(loaded.network, normalise=normalise)
    description = Description(
        backbone=network.backbone.name,
        height=loaded.config.data.height,
        width=loaded.config.data.width,
        dimensions=network.fusion.width,
        normalise=normalise,
        checkpoint_sha256=checksum(checkpoint),
    )
    if format == "onnx":
        onnx = write_onnx(to, network, description, opset)
        return ExportedFile(to, onnx.size, description, onnx)
    return ExportedFile(to, write_weights(to, network, description), description, None)
