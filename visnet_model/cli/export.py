"""``visnet-export``: a checkpoint's inference network as one file for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from visnet_aug.command import CONTEXT, exit_codes, run
from visnet_aug.errors import OutputError
from visnet_model.cli.common import epilog
from visnet_model.errors import CheckpointError, ExportError

if TYPE_CHECKING:
    from visnet_model.export.description import Description
    from visnet_model.export.network import InferenceNetwork

NAME = "visnet-export"

LOWEST_OPSET = 18
"""What torch's exporter writes of its own; what it converts to older ones fails."""


@click.command(
    context_settings=CONTEXT,
    epilog=epilog(
        NAME,
        exit_codes(CheckpointError, OutputError, ExportError),
        "visnet-export --checkpoint runs/market/best.pt --format onnx --to visnet.onnx --normalise",
        "visnet-export --checkpoint runs/market/best.pt --format safetensors "
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
    help="onnx: batch normalisation folded, for ONNX Runtime and others; needs "
    "pip install 'visnet[export]'. safetensors: the weights as trained, for Python "
    "(visnet_model.export.weights_file.load_exported) and visnet-embed.",
)
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write; one that is there is replaced.",
)
@click.option(
    "--normalise",
    is_flag=True,
    help="The network then takes uint8 RGB images, 0 to 255, and normalises them itself. Without, "
    "it takes float32 that has ImageNet's mean and deviation already.",
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
    """Write the network that makes embeddings, without what only training needs.

    It has backbone, fusion with its short cut, BN neck and L2 norm; no semantic head, no
    classifier, no training identities. Any number of images goes in, resized to the height and
    width of the training. The file says in its metadata what it takes and gives.

    What was written is tried on random images before it gets its name: ONNX in ONNX Runtime, whose
    embeddings may differ from torch's by 1e-4; safetensors bit for bit.
    """
    if opset is not None and file_format != "onnx":
        raise click.UsageError("--opset is for --format onnx")
    if to.exists() and checkpoint.exists() and to.samefile(checkpoint):
        raise click.UsageError(f"--to {to} is the checkpoint itself; give another file")
    if file_format == "onnx":
        from visnet_model.export.onnx_file import check_packages

        check_packages()
    from visnet_model.export.checked import check_target

    check_target(to)
    network, description = _load(checkpoint, normalise)
    if file_format == "onnx":
        _write_onnx(to, network, description, opset or LOWEST_OPSET)
    else:
        _write_weights(to, network, description)
    click.echo(f"takes {description.input}")
    click.echo(f"gives {description.output}")


def _load(checkpoint: Path, normalise: bool) -> tuple[InferenceNetwork, Description]:
    from visnet_model.export.description import Description
    from visnet_model.export.network import inference_network
    from visnet_model.provenance import sha256_of
    from visnet_model.training.checkpoint import load_network

    loaded = load_network(checkpoint)
    network = inference_network(loaded.network, normalise=normalise)
    return network, Description(
        backbone=network.backbone.name,
        height=loaded.config.data.height,
        width=loaded.config.data.width,
        dimensions=network.fusion.width,
        normalise=normalise,
        checkpoint_sha256=sha256_of(checkpoint),
    )


def _write_onnx(to: Path, network: InferenceNetwork, description: Description, opset: int) -> None:
    from visnet_model.export.onnx_file import TOLERANCE, write_onnx

    written = write_onnx(to, network, description, opset)
    click.echo(
        f"{to}: {written.size / 1e6:.1f} MB, opset {written.opset}; in ONNX Runtime "
        f"{written.runtime} embeddings differ from torch's by {written.difference:.1e} at most "
        f"({TOLERANCE:.0e} allowed)"
    )


def _write_weights(to: Path, network: InferenceNetwork, description: Description) -> None:
    from visnet_model.export.weights_file import write_weights

    size = write_weights(to, network, description)
    click.echo(f"{to}: {size / 1e6:.1f} MB; read back bit for bit, embeddings included")


def main() -> None:
    """Run the command line; the console script's entry point."""
    run(command, NAME)


if __name__ == "__main__":
    main()
