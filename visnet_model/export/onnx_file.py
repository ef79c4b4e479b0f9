"""The inference network as one ONNX file, tested in ONNX Runtime before it gets its name.

The exporter is torch's, based on ``torch.export`` (``dynamo=True``, which needs onnxscript). The
one based on TorchScript is deprecated since torch 2.9, writes the pixel picking of the short cut as
about 200 operations of shape arithmetic, and leaves the embedding's width undefined. This was
tested with torch 2.6 and 2.14. Torch 2.6 with the current onnxscript fails at batch normalisation
and at a batch dimension without upper bound; folding solves the first, `LARGEST_BATCH` the second.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from visnet_model.errors import ExportError, MissingPackageError, TrainingError
from visnet_model.export.checked import trial_inputs, write_checked
from visnet_model.export.description import LICENCE_NOTE, Description
from visnet_model.export.network import InferenceNetwork, fold_batch_norms

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET: Final = 18
"""The lowest opset that the exporter writes; ONNX Runtime reads it since 1.14 (2023)."""

TOLERANCE: Final = 1e-4
"""Maximum difference between the elements of an embedding in ONNX Runtime and in torch."""

LARGEST_BATCH: Final = 2**16
"""Upper bound of the batch size for the exporter; the file has none."""

INPUT: Final = "images"
OUTPUT: Final = "embeddings"
BATCH: Final = "batch"

PACKAGES: Final = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A written ONNX file.

    Attributes:
        size: Size in bytes.
        opset: Version of ONNX's operators.
        difference: Maximum difference between the elements of an embedding and those of torch.
        runtime: Version of the ONNX Runtime that it was tested in.
    """

    size: int
    opset: int
    difference: float
    runtime: str


def check_packages() -> None:
    """Check that the packages that ONNX needs are installed.

    Raises:
        MissingPackageError: A package cannot be imported.
    """
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise MissingPackageError(
                f"ONNX needs the package {name}, which cannot be imported ({error}): "
                "pip install 'visnet[export]'"
            ) from error


def write_onnx(
    path: Path, network: InferenceNetwork, description: Description, opset: int = OPSET
) -> OnnxFile:
    """Write a network as ONNX: input `INPUT`, output `OUTPUT`, any number of images.

    Args:
        path: The file; replaced if it exists. Its folder must exist.
        network: On the CPU. A folded copy is written, and compared with the network itself.
        description: Description of the network; becomes the file's metadata.
        opset: Version of ONNX's operators.

    Raises:
        MissingPackageError: A package cannot be imported.
        ExportError: The exporter fails, or the file does not compute the same in ONNX Runtime.
            Nothing is written then.
        TrainingError: The network's embeddings are not finite.
        OutputError: The file cannot be written.
    """
    check_packages()
    import onnxruntime

    model = _translate(fold_batch_norms(network), description, opset)
    _label(model, description)
    data = model.SerializeToString()
    difference = write_checked(
        path, data, lambda part: _largest_difference(part, network, description)
    )
    return OnnxFile(len(data), opset, difference, onnxruntime.__version__)


def _translate(network: InferenceNetwork, description: Description, opset: int) -> ModelProto:
    example = next(trial_inputs(description)).repeat(
        2, 1, 1, 1
    )  # a batch of 1 would become a constant
    batch = torch.export.Dim(BATCH, max=LARGEST_BATCH)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                opset_version=opset,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={"images": {0: batch}},
                verbose=False,
            )
    # Any error inside torch, onnxscript or onnx, whose versions must fit together.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ExportError(
            f"torch {torch.__version__} cannot export to ONNX: {reason}; install current versions "
            "of torch, onnx and onnxscript, or use --format safetensors"
        ) from error
    assert program is not None
    model: ModelProto = program.model_proto
    written = next(entry.version for entry in model.opset_import if not entry.domain)
    if written != opset:
        raise ExportError(f"the exporter wrote opset {written}, not {opset}; use --opset {written}")
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's messages; the result is checked afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _label(model: ModelProto, description: Description) -> None:
    """Describe the network, and remove the exporter's notes on the source files of this machine.

    Without them, the same network gives the same bytes on every machine, and older runtimes can
    read the file.
    """
    import onnx

    graph = model.graph
    for item in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    graph.ClearField("value_info")
    graph.name = "visnet"
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
    model.doc_string = (
        f"VisNet. {INPUT}: {description.input}. {OUTPUT}: {description.output}. {LICENCE_NOTE}"
    )
    onnx.helper.set_model_props(model, description.metadata())


def _largest_difference(path: Path, network: InferenceNetwork, description: Description) -> float:
    """Return the maximum difference between a file in ONNX Runtime and the network in torch.

    Raises:
        ExportError: The difference is too large, or the file does not run.
        TrainingError: The network's embeddings are not finite.
    """
    import onnxruntime

    largest = 0.0
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for inputs in trial_inputs(description):
            (found,) = session.run([OUTPUT], {INPUT: inputs.numpy()})
            with torch.inference_mode():
                expected = network(inputs).numpy()
            largest = max(largest, _difference(found, expected))
    except (ExportError, TrainingError):
        raise
    # ONNX Runtime has a dozen classes of errors without a common base.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ExportError(
            f"ONNX Runtime {onnxruntime.__version__} does not run the export: {reason}; "
            "install a current onnxruntime, or use a lower --opset"
        ) from error
    return largest


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        raise ExportError(f"exported embeddings are {found.shape}, torch's {expected.shape}")
    if not np.isfinite(expected).all():
        raise TrainingError(
            "the embeddings of this checkpoint are not finite: its training diverged; use an "
            "earlier checkpoint"
        )
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:  # also if it is NaN
        raise ExportError(
            f"embeddings in ONNX Runtime differ from torch's by {difference:.2g}, over "
            f"{TOLERANCE:.0e}: not exported; please open an issue with the versions of torch, "
            "onnxscript and onnxruntime"
        )
    return difference
