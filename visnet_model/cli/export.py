"""``visnet-export``: the inference network of a checkpoint as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from visnet_aug.command import CONTEXT, exit_codes, run
from visnet_aug.errors import OutputError
from visnet_model.cli.common import epilog
from visnet_model.errors import (
    CheckpointError,
    ExportError,
    MissingPackageError,
    TrainingError,
)

if TYPE_CHECKING:
    from visnet_model.export.export import ExportedFile

NAME = "visnet-export"

LOWEST_OPSET = 18
"""The opset that torch's exporter writes; its conversion to lower ones fails."""


@click.command(
    context_settings=CONTEXT,
    epilog=epilog(
        NAME,
        exit_codes(OutputError, CheckpointError, TrainingError, ExportError, MissingPackageError),
        "visnet-export --checkpoint runs/market/last.pt --format onnx --to visnet.onnx --normalise",
        "visnet-export --checkpoint runs/market/last.pt --format safetensors "
        "--to visnet.safetensors",
    ),
)
@click.option(
    "--checkpoint",
    required=True,
    type=click.Path(path_type=Path),
    help="Checkpoint of visnet-train.",
)
@click.option(
    "--format",
    "file_format",
    required=True,
    type=click.Choice(["onnx", "safetensors"]),
    help="onnx: with folded batch normalisation, for ONNX Runtime and others; needs "
    "pip install 'visnet[export]'. safetensors: the weights as trained, for Python "
    "(visnet_model.load_exported) and visnet-embed.",
)
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write; an existing one is replaced.",
)
@click.option(
    "--normalise",
    is_flag=True,
    help="The network takes uint8 RGB images, 0 to 255, and normalises them itself. Without this "
    "option, it takes float32 that is normalised with ImageNet's mean and standard deviation.",
)
@click.option(
    "--opset",
    metavar="N",
    type=click.IntRange(min=LOWEST_OPSET),
    help=f"Version of ONNX's operators.  [default: {LOWEST_OPSET}]",
)
def command(
    checkpoint: Path,
    file_format: Literal["onnx", "safetensors"],
    to: Path,
    normalise: bool,
    opset: int | None,
) -> None:
    """Write the network that computes embeddings, without the parts for training.

    It consists of backbone, fusion with its short cut, BN neck and L2 norm; it has no semantic
    head, no classifier and no training identities. It takes any number of images, resized to the
    height and width of the training. The metadata of the file describe its input and output.

    The file is tested on random images before it gets its name: ONNX in ONNX Runtime, whose
    embeddings may differ from torch's by 1e-4; safetensors bit by bit.
    """
    if opset is not None and file_format != "onnx":
        raise click.UsageError("--opset needs --format onnx")

    from visnet_model.export.export import export_network

    exported = export_network(
        checkpoint, to, file_format, normalise=normalise, opset=opset or LOWEST_OPSET
    )
    click.echo(f"{to}: {exported.size / 1e6:.1f} MB{_tested(exported)}")
    click.echo(f"takes {exported.description.input}")
    click.echo(f"returns {exported.description.output}")


def _tested(exported: ExportedFile) -> str:
    """Describe how an exported file was tested."""
    if exported.onnx is None:
        return "; read back bit by bit, with equal embeddings"
    from visnet_model.export.onnx_file import TOLERANCE

    return (
        f", opset {exported.onnx.opset}; in ONNX Runtime {exported.onnx.runtime}, embeddings "
        f"differ from torch's by at most {exported.onnx.difference:.1e} ({TOLERANCE:.0e} allowed)"
    )


def main() -> None:
    """Run the command; the console script's entry point."""
    run(command, NAME)


if __name__ == "__main__":
    main()
