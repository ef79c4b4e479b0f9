"""``visnet-embed``: images to unit-norm embeddings in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from visnet_aug.command import CONTEXT, as_it_is, exit_codes, run
from visnet_aug.errors import DatasetError, ManifestError, OutputError, WorkerError
from visnet_model.cli.common import (
    batch_size_option,
    device_option,
    epilog,
    note,
    precision_option,
)
from visnet_model.errors import CheckpointError, DeviceMemoryError, TrainingError

NAME = "visnet-embed"

_FILE = as_it_is(
    "The file, to read with numpy.load(FILE):",
    "embeddings         float32 N×D, each of unit L2 norm; compare by Euclidean distance",
    "names              N texts: paths as given, or relative to the manifest's folder",
    "pids camids splits N each, with a manifest only",
    "network_sha256     checksum of --checkpoint: only compare embeddings of the same network",
)


@click.command(
    context_settings=CONTEXT,
    epilog="\n\n".join(
        (
            _FILE,
            epilog(
                NAME,
                exit_codes(
                    DatasetError,
                    OutputError,
                    ManifestError,
                    WorkerError,
                    CheckpointError,
                    TrainingError,
                    DeviceMemoryError,
                ),
                "visnet-embed --checkpoint runs/market/last.pt crops/ --to crops.npz",
                "visnet-embed --checkpoint visnet.safetensors a.jpg b.jpg --to two.npz",
                "visnet-embed --checkpoint runs/market/last.pt --manifest aug/manifest.csv "
                "--split query --to query.npz",
            ),
        )
    ),
)
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--checkpoint",
    required=True,
    type=click.Path(path_type=Path),
    help="Checkpoint of visnet-train, or .safetensors of visnet-export.",
)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    help="manifest.csv of a built set, instead of IMAGES.",
)
@click.option(
    "--split",
    "splits",
    multiple=True,
    metavar="NAME",
    help="Split of the manifest: train, query, gallery, ...; can be repeated.  [default: all]",
)
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write, .npz; an existing one is replaced.",
)
@click.option(
    "--on-error",
    type=click.Choice(["skip", "stop"]),
    default="skip",
    show_default=True,
    help="With unusable images: name them and leave them out, or stop at the first one.",
)
@device_option
@precision_option
@batch_size_option
def command(
    images: tuple[Path, ...],
    checkpoint: Path,
    manifest: Path | None,
    splits: tuple[str, ...],
    to: Path,
    on_error: Literal["skip", "stop"],
    device: str,
    precision: Literal["fp32", "bf16", "auto"],
    batch_size: int,
) -> None:
    """Embed IMAGES (files, and folders with all images in them) or the images of a manifest.

    Images are resized to the network's input, whatever their proportions: they should be crops of
    one person. Usable images are those that visnet-aug uses: complete JPEG and PNG files, upright,
    RGB with 8 bits. Grey, transparent, CMYK, 16-bit, EXIF-rotated, damaged, huge and other files
    are named and left out, never converted. Names are sorted; an image that is given twice is
    embedded once.
    """
    if bool(images) == (manifest is not None):
        raise click.UsageError("Give IMAGES or --manifest, one of the two.")
    if splits and manifest is None:
        raise click.UsageError("--split needs --manifest.")

    from visnet_aug.progress import stage
    from visnet_model.export.embed import embed

    embedded = embed(
        checkpoint,
        images,
        manifest=manifest,
        splits=splits,
        to=to,
        on_error=on_error,
        device=device,
        precision=precision,
        batch_size=batch_size,
        stage=stage,
        note=note,
    )
    count, dimensions = embedded.embeddings.shape
    click.echo(
        f"{to}: {count:,} embeddings of {dimensions}; {len(embedded.left_out):,} images left out"
    )


def main() -> None:
    """Run the command; the console script's entry point."""
    run(command, NAME)


if __name__ == "__main__":
    main()
