"""The set described for machines: ``croissant.json``, MLCommons Croissant 1.0 (JSON-LD).

The manifest is described column by column, and each image folder with the table beside it, pixels
included (specification: https://docs.mlcommons.org/croissant/docs/croissant-spec.html); shards are
listed with their checksums. One column is left out: ``seed``. Readers that take a column of
integers with empty cells for floats would round its 64 bits, and ``params`` has what was drawn
from it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from visnet_aug import RELEASED, __version__
from visnet_aug.builder.card import CITATION, TERMS
from visnet_aug.builder.output import MANIFEST, METADATA
from visnet_aug.manifest import COLUMNS

if TYPE_CHECKING:
    from visnet_aug.builder.product import Conclusion

Json: TypeAlias = dict[str, Any]

_CONTEXT: Final[Json] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The specification's own, which readers want as it is."""

_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "path": ("sc:Text", "The image, relative to this file's folder."),
    "file_name": ("sc:Text", "The image, in this folder."),
    "split": ("sc:Text", "The part of the set that the image belongs to."),
    "pid": ("sc:Integer", "Identity; 0 is a distractor, -1 junk, both in the gallery alone."),
    "camid": ("sc:Integer", "Camera, from 1."),
    "sequence": ("sc:Integer", "Sequence number within the source dataset."),
    "frame": ("sc:Integer", "Frame number within the source dataset."),
    "kind": ("sc:Text", "original, or augmented: before another background."),
    "source": ("sc:Text", "The image that it was made from, within the source dataset."),
    "copy": ("sc:Integer", "Number of the copy among its source's; of an original none, or 0."),
    "family": ("sc:Text", "Family of the background transform; of an original none, or original."),
    "variant": ("sc:Text", "Variant within the family; of an original none, or original."),
    "intensity": ("sc:Float", "Strength of the transform, 0 to 1; of an original none, or 0."),
    "params": ("sc:Text", "What was drawn for the background, as JSON."),
    "mask": ("sc:Text", "The person mask, relative to this file's folder."),
    "mask_area": ("sc:Float", "Share of the image that the mask covers."),
    "mask_confidence": ("sc:Float", "The segmenter's confidence in the mask."),
    "width": ("sc:Integer", "Pixels."),
    "height": ("sc:Integer", "Pixels."),
    "sha256": ("sc:Text", "Checksum of the image's file, in hex."),
}
"""Type and meaning of each column, of the manifest and of the tables in the image folders."""

_FORMATS: Final = {".png": "image/png"}  # all others are JPEGs
_MANIFEST_ROWS: Final = "manifest"
_SPLITS: Final = "splits"


def describe(build: Conclusion, columns: Sequence[str], checksums: Mapping[str, str]) -> str:
    """Describe a set as JSON-LD; the same build gives the same text.

    Args:
        build: What was built.
        columns: Those of the tables in the image folders.
        checksums: SHA-256 of the manifest and of each of those tables, by path.
    """
    tables = {path.removesuffix(f"/{METADATA}"): path for path in checksums if path != MANIFEST}
    described = [name for name in COLUMNS if name in _FIELDS]
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": build.product.title,
        "description": f"{build.product.about} {build.plan.arithmetic}.",
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
            *(_file(path, sha256, "application/x-tar") for path, sha256 in build.shards.items()),
            *_image_sets(tables, (row.path for row in build.rows)),
        ],
        "recordSet": [
            _splits(build.summary.splits),
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
