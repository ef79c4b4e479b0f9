"""``visnet-embed``: images to unit-norm embeddings in one file, for anyone's index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from visnet_aug.command import CONTEXT, as_it_is, exit_codes, run
from visnet_aug.errors import ManifestError, OutputError
from visnet_model.cli.common import (
    batch_size_option,
    device_option,
    epilog,
    precision_option,
)
from visnet_model.errors import CheckpointError, DataError, ModelError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from visnet_model.data.settings import DataSettings
    from visnet_model.data.table import ImageTable
    from visnet_model.evaluation.embed import Embeddings
    from visnet_model.export.images import OnError, Unusable
    from visnet_model.precision import Precision

NAME = "visnet-embed"

_FILE = as_it_is(
    "The file, read with numpy.load(FILE):",
    "embeddings         float32 N×D, each of unit L2 norm; compare by Euclidean distance",
    "names              N texts: paths as given, or relative to the manifest's folder",
    "pids camids splits N each, of a manifest only",
    "network_sha256     checksum of --checkpoint: only embeddings of one network compare",
)


@click.command(
    context_settings=CONTEXT,
    epilog="\n\n".join(
        (
            _FILE,
            epilog(
                NAME,
                exit_codes(
                    ModelError,
                    DataError,
                    CheckpointError,
                    OutputError,
                    ManifestError,
                ),
                "visnet-embed --checkpoint runs/market/best.pt crops/ --to crops.npz",
                "visnet-embed --checkpoint visnet.safetensors a.jpg b.jpg --to two.npz",
                "visnet-embed --checkpoint runs/market/best.pt --manifest aug/manifest.csv "
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
@click.option("--manifest", type=click.Path(path_type=Path), help="A built set, instead of IMAGES.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    metavar="NAME",
    help="Of the manifest: train, query, gallery, ...; can be repeated.  [default: all]",
)
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write, .npz; one that is there is replaced.",
)
@click.option(
    "--on-error",
    type=click.Choice(["skip", "stop"]),
    default="skip",
    show_default=True,
    help="Unusable images: name them and leave them out, or stop at the first.",
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
    on_error: OnError,
    device: str,
    precision: Literal["fp32", "bf16", "auto"],
    batch_size: int,
) -> None:
    """Embed IMAGES: files, and folders with all that is in them; or the images of a manifest.

    An image is resized to the network's input, whatever its proportions: crops of one person are
    expected. Usable is what visnet-aug takes: complete JPEG or PNG files, upright, RGB of 8 bits.
    Grey, transparent, CMYK, 16-bit, EXIF-rotated, damaged, huge and other files are named and left
    out, not converted. Names are sorted; an image given twice is embedded once.
    """
    if bool(images) == (manifest is not None):
        raise click.UsageError("Give IMAGES or --manifest: one of the two.")
    if splits and manifest is None:
        raise click.UsageError("--split is for --manifest.")

    from visnet_aug.hardware import choose_device
    from visnet_model.export.checked import check_target
    from visnet_model.export.embeddings_file import write_embeddings
    from visnet_model.provenance import sha256_of

    check_target(to)
    where = choose_device(device)
    network, data = _load(checkpoint, where)
    if manifest is not None:
        table, columns = _read_manifest(manifest, splits)
    else:
        table, columns = _find(images, on_error), {}
    usable = _check(table, on_error)
    embeddings = _embed(network, table.take(usable), data, where, precision, batch_size)
    columns = {name: column[usable] for name, column in columns.items()}
    write_embeddings(to, embeddings, table.paths[usable], sha256_of(checkpoint), columns)
    count, dimensions = embeddings.shape
    click.echo(f"{to}: {count:,} embeddings of {dimensions}; {len(table) - count:,} left out")


def _load(checkpoint: Path, device: torch.device) -> tuple[nn.Module, DataSettings]:
    """Read a network that takes normalised images, and its input size."""
    from visnet_model.export.weights_file import SUFFIX

    if checkpoint.suffix != SUFFIX:
        from visnet_model.training.checkpoint import load_network

        loaded = load_network(checkpoint, device)
        return loaded.network, loaded.config.data
    from torch import nn

    from visnet_model.data.settings import DataSettings
    from visnet_model.export.weights_file import load_exported

    exported = load_exported(checkpoint, device)
    exported.network.normalisation = nn.Identity()  # done for all networks by `embed`
    size = exported.description
    return exported.network, DataSettings(height=size.height, width=size.width)


def _read_manifest(manifest: Path, splits: tuple[str, ...]) -> tuple[ImageTable, Mapping[str, Any]]:
    """Read a manifest's images, and what it knows of them."""
    import numpy as np

    from visnet_model.data.table import read_tables
    from visnet_model.export.images import join_tables

    tables = read_tables(manifest)
    missing = [split for split in splits if split not in tables]
    if missing or not tables:
        raise DataError(
            f"{manifest}: no images of split {missing[0]}; it has {', '.join(tables)}"
            if missing
            else f"{manifest}: no images in it"
        )
    chosen = {split: table for split, table in tables.items() if not splits or split in splits}
    table = join_tables(chosen.values())
    names = np.repeat(list(chosen), [len(part) for part in chosen.values()])
    return table, {"pids": table.pids, "camids": table.camids, "splits": names}


def _find(images: tuple[Path, ...], on_error: OnError) -> ImageTable:
    from visnet_model.export.images import find_images

    found = find_images(images)
    _report(found.unusable, on_error)
    if found.ignored:
        click.echo(f"ignored {found.ignored:,} files that are no images by name", err=True)
    if found.repeated:
        click.echo(f"{found.repeated:,} images are given again, embedded once", err=True)
    return found.table


def _check(table: ImageTable, on_error: OnError) -> Any:
    """Return which images are usable, and name the others."""
    from visnet_aug.progress import stage
    from visnet_model.export.images import check_images

    with stage("check") as advance:
        usable, unusable = check_images(table, advance)
    _report(unusable, on_error)
    if not usable.any():
        raise DataError(f"none of {len(table):,} images is usable: see the lines above")
    return usable


def _report(unusable: Iterable[Unusable], on_error: OnError) -> None:
    """Name what is left out, or stop at it."""
    for image in unusable:
        if on_error == "stop":
            raise DataError(str(image))
        click.echo(f"left out {image}", err=True)


def _embed(
    network: nn.Module,
    table: ImageTable,
    data: DataSettings,
    device: torch.device,
    precision: Precision,
    batch_size: int,
) -> Embeddings:
    from visnet_aug.progress import stage
    from visnet_model.data.keeping import open_images
    from visnet_model.evaluation.embed import embed

    images = open_images(table, data, "auto", device, stage, "read")
    with stage("embed") as advance:
        return embed(
            network,
            images,
            device=device,
            batch_size=batch_size,
            precision=precision,
            progress=advance,
        )


def main() -> None:
    """Run the command line; the console script's entry point."""
    run(command, NAME)


if __name__ == "__main__":
    main()
