"""What stands beside a finished build's images: recipe, rejected images, build.json, card."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from visnet_aug.build.card import dataset_card
from visnet_aug.build.journal import FOLDER as STATE_FOLDER
from visnet_aug.build.output import BUILD, CARD, MANIFEST, RECIPE, REJECTED
from visnet_aug.build.plan import Plan
from visnet_aug.build.provenance import other_versions
from visnet_aug.build.rows import BuildSummary, summarise
from visnet_aug.datasets.record import Dataset
from visnet_aug.files import write_file
from visnet_aug.manifest import ManifestRow, write_manifest
from visnet_aug.masks.compute import MaskSummary
from visnet_aug.recipe import Recipe, dump_recipe

FORMAT = 1
"""Of ``build.json``; raised when a reader of an earlier one would misread it."""

REJECTED_COLUMNS = ("path", "split", "stage", "reason", "detail")


@dataclass(frozen=True, slots=True)
class Conclusion:
    """All that is known when the last image is written.

    Attributes:
        dataset: What was read.
        recipe: What was asked for.
        identity: Which build it is.
        masks: What the mask stage did.
        plan: What was to be made.
        rows: The manifest.
    """

    dataset: Dataset
    recipe: Recipe
    identity: Mapping[str, Any]
    masks: MaskSummary
    plan: Plan
    rows: list[ManifestRow]


def write_sidecars(out: Path, build: Conclusion) -> BuildSummary:
    """Write everything beside the images, the manifest last.

    Nothing of it tells when, where or by how many processes it was built: the same build gives
    the same bytes.

    Raises:
        OutputError: A file cannot be written.
    """
    summary = summarise(build.rows)
    texts = {
        RECIPE: dump_recipe(build.recipe),
        REJECTED: rejected_csv(build.dataset, build.masks),
        CARD: dataset_card(summary, build.plan.arithmetic),
    }
    staged = out / STATE_FOLDER / MANIFEST
    write_manifest(staged, build.rows)
    checksums = {name: _sha256(_bytes(text)) for name, text in texts.items()}
    checksums[MANIFEST] = _sha256(staged.read_bytes())
    texts[BUILD] = json.dumps(_build_json(build, summary, checksums), indent=2) + "\n"
    for name, text in texts.items():
        write_file(out / name, _bytes(text), durable=True)
    staged.replace(out / MANIFEST)
    return summary


def rejected_csv(dataset: Dataset, masks: MaskSummary) -> str:
    """List what was left out and why.

    Stage ``read``: the file is unusable and not in the output. Stage ``mask``: the training image
    has no usable person mask and therefore no copies.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(REJECTED_COLUMNS)
    for image in dataset.rejected:
        path = image.path.relative_to(dataset.root).as_posix()
        writer.writerow((path, image.split, "read", image.reason, image.detail))
    for record in dataset.split("train"):
        entry = masks.entries[record.stem]
        if not entry.accepted:
            path = f"{dataset.folders['train']}/{record.name}"
            detail = f"area {entry.area:.3f}, confidence {entry.confidence:.3f}"
            writer.writerow((path, "train", "mask", entry.reason, detail))
    return text.getvalue()


def _build_json(
    build: Conclusion, summary: BuildSummary, checksums: Mapping[str, str]
) -> dict[str, Any]:
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
    }


def _bytes(text: str) -> bytes:
    """Encode as UTF-8; what of a file's name is no text is written as an escape."""
    return text.encode(errors="backslashreplace")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
