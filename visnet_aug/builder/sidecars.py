"""What stands beside a finished build's images: recipe, rejected images, card, descriptions."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from visnet_aug.builder.build_json import BUILD, FORMAT
from visnet_aug.builder.croissant import describe
from visnet_aug.builder.journal import FOLDER as STATE_FOLDER
from visnet_aug.builder.metadata import metadata_columns, metadata_files
from visnet_aug.builder.output import CARD, CROISSANT, MANIFEST, RECIPE, REJECTED
from visnet_aug.builder.packing import shard_tables
from visnet_aug.builder.product import Conclusion
from visnet_aug.builder.provenance import other_versions
from visnet_aug.datasets.record import Dataset
from visnet_aug.datasets.rejected import RejectedRow, rejected_csv, rejected_images
from visnet_aug.files import cannot, write_file
from visnet_aug.manifest import write_manifest
from visnet_aug.masks.compute import MaskSummary
from visnet_aug.masks.store import mask_name
from visnet_aug.recipe import dump_recipe


def write_sidecars(out: Path, build: Conclusion) -> None:
    """Write everything beside the images, the manifest last.

    Nothing of it tells when, where or by how many processes it was built: the same build gives
    the same bytes.

    Raises:
        OutputError: A file cannot be written.
    """
    staged = out / STATE_FOLDER / MANIFEST
    write_manifest(staged, build.rows)
    columns = metadata_columns(build.rows)
    tables = metadata_files(build.rows, columns)
    checksums = {MANIFEST: _sha256(staged.read_bytes()), **_checksums(tables)}
    others = {
        RECIPE: dump_recipe(build.recipe).encode(),
        REJECTED: rejected_csv(_rejected(build.dataset, build.masks)),
        CARD: build.product.card(build).encode(),
        CROISSANT: describe(build, columns, checksums).encode(),
        **shard_tables(build.rows),
    }
    report = _build_json(build, checksums | _checksums(others))
    others[BUILD] = f"{json.dumps(report, indent=2)}\n".encode()
    for name, data in (tables | others).items():
        write_file(out / name, data, durable=True)
    try:
        staged.replace(out / MANIFEST)
    except OSError as error:
        raise cannot("written", out / MANIFEST, error) from error


def _rejected(dataset: Dataset, masks: MaskSummary) -> Iterator[RejectedRow]:
    """Yield what was left out: unusable files, then images without a usable mask.

    The latter by their paths in the output; where they come from is told if it is elsewhere.
    """
    yield from rejected_images(dataset)
    for record in dataset.records:
        entry = masks.entries.get(mask_name(record.split, record.stem))
        if entry is not None and not entry.accepted:
            path = f"{dataset.folders[record.split]}/{record.name}"
            detail = f"area {entry.area:.3f}, confidence {entry.confidence:.3f}"
            if (origin := dataset.origin(record)) != path:
                detail += f", from {origin}"
            yield RejectedRow(path, record.split, "mask", entry.reason, detail)


def _build_json(build: Conclusion, checksums: Mapping[str, str]) -> dict[str, Any]:
    summary = build.summary
    return {
        "format": FORMAT,
        "identity": build.identity,
        "other_versions": other_versions(),
        "arithmetic": build.plan.arithmetic,
        "images": summary.total,
        "splits": {split: asdict(counts) for split, counts in summary.splits.items()},
        "families": summary.families,
        "masks": {
            "accepted": len(build.masks.accepted),
            "rejected": dict(build.masks.rejected),
            "edited": build.masks.edited,
        },
        "rejected_images": dict(Counter(image.reason for image in build.dataset.rejected)),
        "sha256": dict(sorted(checksums.items())),
        "shards": build.shards,
    }


def _checksums(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: _sha256(data) for name, data in files.items()}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
