"""A built set described: ``README.md`` for people, ``croissant.json`` for machines.

The card is a README in Hugging Face's format of dataset cards: Markdown after a YAML header, whose
``configs`` let ``datasets.load_dataset`` find the images and the tables beside them. Its text is in
``templates/``.

The Croissant file is MLCommons Croissant 1.0, which is JSON-LD
(https://docs.mlcommons.org/croissant/docs/croissant-spec.html). The manifest is described column by
column, and each image folder with the table in it, pixels included; shards are listed with their
checksums. One column is left out: ``seed``. Readers that take a column of integers with empty cells
for floats would round its 64 bits, and ``params`` has what was drawn from it.
"""

from __future__ import annotations

import json
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib import resources
from pathlib import PurePath
from typing import Any, Final, TypeAlias

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from visnet_aug import RELEASED, __version__
from visnet_aug.builder.folder import MANIFEST, METADATA
from visnet_aug.builder.rows import BuiltSet
from visnet_aug.manifest import COLUMNS, ManifestSplit
from visnet_aug.masks.settings import PERSON
from visnet_aug.shards import SUFFIX

Json: TypeAlias = dict[str, Any]

CITATION: Final = (
    "VisNet: Efficient Person Re-Identification via α-Divergence Loss, Feature Fusion and Dynamic "
    "Multi-Task Learning"
)
TERMS: Final = "The terms of the source dataset hold for every image, augmented ones included."

_TITLES: Final = {
    "build": "Re-identification set with rewritten backgrounds",
    "probe": "Background-sensitivity probe for re-identification",
}
_ABOUT: Final = {
    "build": "Crops for re-identification across cameras. In every augmented training image the "
    "pixels of the person (or vehicle) are the source's; only the background is another one "
    "(VisNet paper, section II-G, equation 21).",
    "probe": "The query and gallery images of a re-identification set as they are and, for each "
    "family of backgrounds, once more with the background rewritten and the pixels of the person "
    "(or vehicle) unchanged.",
}
_CARDS: Final = {"build": "set.md.j2", "probe": "probe.md.j2"}
"""Title, description and template by command."""

_SIZES: Final = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
"""Where Hugging Face's size classes end: powers of ten, from the third."""

_WIDTH: Final = 100
"""Of the card's lines, for people who read it in a terminal."""

_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "path": ("sc:Text", "The image, relative to this file's folder."),
    "file_name": ("sc:Text", "The image, in this folder."),
    "split": ("sc:Text", "The part of the set that the image belongs to."),
    "pid": ("sc:Integer", "Identity; 0 is a distractor, -1 junk, both in the gallery alone."),
    "camid": ("sc:Integer", "Camera, from 1."),
    "sequence": ("sc:Integer", "Sequence number within the source dataset."),
    "frame": ("sc:Integer", "Frame number within the source dataset."),
    "kind": ("sc:Text", "original, or augmented: with another background."),
    "source": ("sc:Text", "The image that it was made from, within the source dataset."),
    "copy": ("sc:Integer", "Number of the copy among its source's; of an original none, or 0."),
    "family": ("sc:Text", "Family of the background transform; of an original none, or original."),
    "variant": ("sc:Text", "Variant within the family; of an original none, or original."),
    "intensity": ("sc:Float", "Strength of the transform, 0 to 1; of an original none, or 0."),
    "params": ("sc:Text", "What was drawn for the background, as JSON."),
    "mask": ("sc:Text", "The person mask, relative to this file's folder."),
    "mask_area": ("sc:Float", "Share of the image that the mask covers."),
    "mask_confidence": ("sc:Float", "The segmenter's confidence in the mask."),
    "mask_quality": ("sc:Float", "Predicted IoU of the mask with the true one."),
    "width": ("sc:Integer", "Pixels."),
    "height": ("sc:Integer", "Pixels."),
    "sha256": ("sc:Text", "Checksum of the image's file, in hex."),
}
"""Type and meaning of each column, of the manifest and of the tables in the image folders."""

_FORMATS: Final = {".png": "image/png"}  # all others are JPEGs
_MANIFEST_ROWS: Final = "manifest"
_SPLITS: Final = "splits"


def dataset_card(built: BuiltSet) -> str:
    """Return the card of an augmented set or a probe as Markdown.

    It does not depend on how untouched images got into the output: the images are the same.
    """
    command = built.identity["command"]
    splits = built.summary.splits
    kinds = {row.path.lower().endswith(".png") for row in built.rows}
    training = [shard for shard, split in built.summary.folders.items() if split == "train"]
    return (
        _environment()
        .get_template(_CARDS[command])
        .render(
            header=_header(built),
            title=_TITLES[command],
            about=_ABOUT[command],
            version=__version__,
            built=built,
            summary=built.summary,
            recipe=built.recipe,
            masks=built.masks,
            weights=PurePath(built.recipe.weights).name,  # not where they are on this machine
            command={"sample": None, **built.identity},
            tested=[split for split in ("query", "gallery") if split in splits],
            last_shard=f"{max(len(training) - 1, 0):06d}",
            mixed=len(kinds) > 1,
            terms=TERMS,
            citation=CITATION,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("visnet_aug.builder"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = "{:,}".format
    environment.filters["fill"] = partial(
        textwrap.fill, width=_WIDTH, break_long_words=False, break_on_hyphens=False
    )
    return environment


def _header(built: BuiltSet) -> str:
    """Return the card's YAML header, which is for machines."""
    command, is_person = built.identity["command"], built.recipe.masks.classes == PERSON
    if command == "probe":
        tags = ["evaluation", "background-bias"]
    else:
        tags = ["webdataset" if built.shards else "market-1501-layout"]
    header: Json = {
        "pretty_name": _TITLES[command],
        "license": "other",
        "license_name": "terms-of-the-source-dataset",
        "task_categories": ["image-feature-extraction"],
        "tags": [
            f"{'person' if is_person else 'object'}-re-identification",
            "background-augmentation",
            *tags,
        ],
        "size_categories": [size_class(built.summary.total)],
        "configs": [{"config_name": "default", "data_files": list(_data_files(built))}],
    }
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True)


def size_class(images: int) -> str:
    """Return Hugging Face's size class of a number of images."""
    below = ""
    for power, name in enumerate(_SIZES, 3):
        if images < 10**power:
            return f"{below}n<{name}"
        below = f"{name}<"
    return f"n>{_SIZES[-1]}"


def _data_files(built: BuiltSet) -> Iterator[dict[str, Any]]:
    """Yield where the images of each split are; Hugging Face's split names have no dash."""
    places: dict[ManifestSplit, list[str]] = defaultdict(list)
    for folder, split in built.summary.folders.items():
        if not built.shards:
            places[split].append(f"{folder}/*")
        elif split not in places:
            places[split].append(f"{folder.rpartition('-')[0]}-*{SUFFIX}")
    for split, paths in places.items():
        yield {"split": split.replace("-", "_"), "path": paths[0] if len(paths) == 1 else paths}


def croissant(built: BuiltSet, columns: Sequence[str], checksums: Mapping[str, str]) -> str:
    """Return the set's description as JSON-LD; the same build gives the same text.

    Args:
        built: What was built.
        columns: Those of the tables in the image folders.
        checksums: SHA-256 of the manifest and of each of those tables, by path.
    """
    command = built.identity["command"]
    tables = {path.removesuffix(f"/{METADATA}"): path for path in checksums if path != MANIFEST}
    described = [name for name in COLUMNS if name in _FIELDS]
    document = {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": _TITLES[command],
        "description": f"{_ABOUT[command]} {built.arithmetic}.",
        "license": TERMS,
        "creator": {
            "@type": "sc:Organization",
            "name": f"The source dataset's authors; backgrounds by visnet-aug {__version__}",
        },
        "citeAs": CITATION,
        "version": __version__,
        # Of the program: a date of the run would make two equal builds two different ones.
        "datePublished": RELEASED,
        "distribution": [
            *(_file(path, sha256, "text/csv") for path, sha256 in checksums.items()),
            *(_file(path, sha256, "application/x-tar") for path, sha256 in built.shards.items()),
            *_image_sets(tables, (row.path for row in built.rows)),
        ],
        "recordSet": [
            _splits(built.summary.splits),
            _record_set(
                _MANIFEST_ROWS,
                f"One record per image: {MANIFEST}, without pixels.",
                "path",
                [_column(_MANIFEST_ROWS, MANIFEST, name) for name in described],
            ),
            *(_folder(folder, table, columns) for folder, table in tables.items()),
        ],
    }
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n"


def _context() -> Json:
    """Return the specification's own JSON-LD context, which readers want unchanged."""
    file = resources.files("visnet_aug.builder") / "templates" / "croissant_context.json"
    context: Json = json.loads(file.read_bytes())
    return context


def _file(path: str, sha256: str, encoding_format: str) -> Json:
    """Describe a table or a shard."""
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "encodingFormat": encoding_format,
        "sha256": sha256,
    }


def _image_sets(folders: Iterable[str], paths: Iterable[str]) -> Iterator[Json]:
    """Describe the images of each folder, by the suffixes that are there."""
    suffixes: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, _, name = path.rpartition("/")
        suffixes[folder].add(f".{name.rpartition('.')[2]}")
    for folder in folders:
        there = sorted(suffixes[folder])
        yield {
            "@type": "cr:FileSet",
            "@id": _files_of(folder),
            "name": _files_of(folder),
            "encodingFormat": sorted({_FORMATS.get(s.lower(), "image/jpeg") for s in there}),
            "includes": [f"{folder}/*{suffix}" for suffix in there],
        }


def _splits(names: Iterable[str]) -> Json:
    """List the names of the splits."""
    field: Json = {
        "@type": "cr:Field",
        "@id": f"{_SPLITS}/name",
        "name": "name",
        "dataType": "sc:Text",
    }
    data = [{f"{_SPLITS}/name": name} for name in names]
    described = _record_set(_SPLITS, "The parts of the set.", "name", [field])
    return {**described, "dataType": "cr:Split", "data": data}


def _folder(folder: str, table: str, columns: Sequence[str]) -> Json:
    """Describe the images of a folder, each with its row of the table beside them."""
    image = {
        "@type": "cr:Field",
        "@id": f"{folder}/image",
        "name": "image",
        "description": "The pixels.",
        "dataType": "sc:ImageObject",
        "source": {
            "fileSet": {"@id": _files_of(folder)},
            "extract": {"fileProperty": "content"},
        },
    }
    fields = [_column(folder, table, name) for name in columns]
    fields[columns.index("file_name")]["references"] = {
        "fileSet": {"@id": _files_of(folder)},
        "extract": {"fileProperty": "filename"},
    }
    about = f"The images in {folder}, with their pixels."
    return _record_set(folder, about, "file_name", [image, *fields])


def _record_set(name: str, about: str, key: str, fields: Sequence[Json]) -> Json:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": about,
        "key": {"@id": f"{name}/{key}"},
        "field": list(fields),
    }


def _column(record_set: str, table: str, name: str) -> Json:
    """Describe a column of a table."""
    data_type, meaning = _FIELDS[name]
    field: Json = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": meaning,
        "dataType": data_type,
        "source": {"fileObject": {"@id": table}, "extract": {"column": name}},
    }
    if name == "split":
        field["references"] = {"field": {"@id": f"{_SPLITS}/name"}}
    return field


def _files_of(folder: str) -> str:
    return f"{folder}/images"
