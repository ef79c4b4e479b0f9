"""The inference network as one ONNX file, run in ONNX Runtime before it gets its name.

The exporter is torch's own over ``torch.export`` (``dynamo=True``, which needs onnxscript), not
the one over TorchScript: that is deprecated since torch 2.9, writes the picking of the short cut
as some 200 operations of shape arithmetic, and leaves the embedding's width unnamed. It was tried
with torch 2.6 and 2.14. Torch 2.6 with today's onnxscript fails at batch normalisation and at a
batch dimension without an upper bound; folding removes the first, `LARGEST_BATCH` the second.
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

from visnet_model.errors import ExportError
from visnet_model.export.checked import trial_inputs, write_checked
from visnet_model.export.description import LICENCE_NOTE, Description
from visnet_model.export.network import InferenceNetwork, fold_batch_norms

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET: Final = 18
"""The lowest that the exporter writes, read by ONNX Runtime since 1.14 (2023)."""

TOLERANCE: Final = 1e-4
"""Largest difference between an embedding's element in ONNX Runtime and in torch."""

LARGEST_BATCH: Final = 2**16
"""Of which the exporter is told; the file itself names no bound."""

INPUT: Final = "images"
OUTPUT: Final = "embeddings"
BATCH: Final = "batch"

PACKAGES: Final = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """What was written.

    Attributes:
        size: Bytes.
        opset: Version of ONNX's operators.
        difference: Largest difference of an embedding's element to torch's.
        runtime: Version of the ONNX Runtime that it was run in.
    """

    size: int
    opset: int
    difference: float
    runtime: str


def check_packages() -> None:
    """Check that what this needs beside torch is installed.

    Raises:
        ExportError: It isn't.
    """
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ExportError(
                f"ONNX needs the package {name}, which cannot be imported ({error}); "
                "pip install 'visnet[export]'"
            ) from error


def write_onnx(
    path: Path, network: InferenceNetwork, description: Description, opset: int = OPSET
) -> OnnxFile:
    """Write a network as ONNX: input `INPUT`, output `OUTPUT`, any number of images.

    Args:
        path: The file; replaced if it is there. Its folder must exist.
        network: On the CPU; it is folded here, and compared with as it is.
        description: Of the network; becomes the file's metadata.
        opset: Version of ONNX's operators.

    Raises:
        ExportError: A package is missing, the exporter cannot do it, or what it made is not the
            same network in ONNX Runtime. Nothing is written then.
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
    example = next(trial_inputs(description)).repeat(2, 1, 1, 1)  # one image would be a constant
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
    # Whatever breaks inside torch, onnxscript or onnx, whose versions have to fit together.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ExportError(
            f"torch {torch.__version__} cannot export to ONNX: {reason}; install current torch, "
            "onnx and onnxscript, or take --format safetensors"
        ) from error
    assert program is not None
    model: ModelProto = program.model_proto
    written = next(entry.version for entry in model.opset_import if not entry.domain)
    if written != opset:
        raise ExportError(
            f"the exporter wrote opset {written}, not {opset}; take --opset {written}"
        )
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from telling about its inside: what counts is compared afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _label(model: ModelProto, description: Description) -> None:
    """Describe the network, and remove what the exporter noted about this machine's source files.

    Without those notes the same network gives the same bytes on every machine, and the file is
    readable for older runtimes.
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
    """Compare a file in ONNX Runtime with torch.

    Raises:
        ExportError: They differ, or it does not run.
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
    except ExportError:
        raise
    # Its errors are of a dozen classes of its own without a common one.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ExportError(
            f"ONNX Runtime {onnxruntime.__version__} does not run the export: {reason}; "
            "install a current onnxruntime, or take a lower --opset"
        ) from error
    return largest


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        raise ExportError(f"exported embeddings are {found.shape}, torch's {expected.shape}")
    if not np.isfinite(expected).all():
        raise ExportError(
            "the checkpoint's embeddings are not finite: its training diverged; take an earlier one"
        )
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:  # NaN is no match, either
        raise ExportError(
            f"embeddings in ONNX Runtime differ from torch's by {difference:.2g}, over "
            f"{TOLERANCE:.0e}: not exported; this is worth an issue, with the versions of torch, "
            "onnxscript and onnxruntime"
        )
    return difference
