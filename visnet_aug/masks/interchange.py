"""Masks in other tools' formats: PNG folders, COCO JSON, YOLO segmentation labels.

Reading finds masks by the stem of their image and decodes them at the image's size. Writing and
reading again changes no pixel: outlines follow the edges of pixels, and COCO's run-length encoding
is used where polygons cannot represent a mask.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from visnet_aug.errors import DatasetError
from visnet_aug.files import make_folder, write_file
from visnet_aug.masks.outlines import (
    Polygon,
    fill_polygon,
    join_polygons,
    outline_polygons,
)
from visnet_aug.masks.painted import fit_mask
from visnet_aug.masks.person import Mask, choose_person
from visnet_aug.masks.png import decode_mask, encode_mask

MaskFormat: TypeAlias = Literal["coco", "yolo", "png", "boxmot"]
PRIMARY: Final = "primary"
EVERYONE: Final = "all_people"
"""BoxMOT's folders: masks of the person that a crop shows, and of everyone in it."""


PERSON: Final = "person"
COCO_FILE: Final = "masks.json"
"""What an export as COCO is called."""


@dataclass(frozen=True)
class ImportedMasks:
    """Masks that another tool made.

    Attributes:
        origin: Name of the file or folder that they come from.
        stems: Of the images that have a mask.
    """

    origin: str
    _decoders: Mapping[str, Callable[[tuple[int, int]], Mask]]

    @property
    def stems(self) -> frozenset[str]:
        """Stems of the images that have a mask."""
        return frozenset(self._decoders)

    def decode(self, stem: str, shape: tuple[int, int]) -> Mask:
        """Return the mask of an image.

        Args:
            stem: Of the image's file name; one of `stems`.
            shape: Height and width of the image.

        Returns:
            bool H×W, True for the person.

        Raises:
            DatasetError: The mask cannot be read, or has other proportions than the image.
        """
        return self._decoders[stem](shape)


def read_foreign_masks(path: Path) -> ImportedMasks:
    """Open masks that another tool made.

    Args:
        path: A folder of PNG masks named as their images (of BoxMOT's folders, ``primary`` is
            read), a folder of YOLO segmentation labels (``.txt``), or a COCO JSON file.

    Returns:
        The masks; those of a folder are decoded when asked for.

    Raises:
        DatasetError: It is none of these, it is damaged, or it names one image twice.
    """
    if path.is_dir():
        primary = path / PRIMARY
        inside = primary if primary.is_dir() else path
        files = sorted(file for file in inside.rglob("*") if file.is_file())
        pngs = [file for file in files if file.suffix.lower() == ".png"]
        labels = [file for file in files if file.suffix.lower() == ".txt"]
        labels = [file for file in labels if file.name not in ("classes.txt", "train.txt")]
        if pngs and labels:
            raise DatasetError(f"{path}: holds both PNG and .txt files; give one kind of masks")
        if pngs:
            return ImportedMasks(path.name, _by_stem(path, pngs, _png_decoder))
        if labels:
            return ImportedMasks(path.name, _by_stem(path, labels, _yolo_decoder))
        raise DatasetError(f"{path}: no masks in it; expected .png masks or YOLO .txt labels")
    if path.suffix.lower() == ".json":
        return ImportedMasks(path.name, _coco_decoders(path))
    raise DatasetError(f"{path}: expected a folder of masks or labels, or a COCO .json file")


def _by_stem(
    root: Path, files: Iterable[Path], decoder: Callable[[Path], Callable[[tuple[int, int]], Mask]]
) -> dict[str, Callable[[tuple[int, int]], Mask]]:
    found: dict[str, Path] = {}
    for file in files:
        if file.stem in found:
            raise DatasetError(
                f"{root}: two masks for one image: {found[file.stem].relative_to(root)} and "
                f"{file.relative_to(root)}"
            )
        found[file.stem] = file
    return {stem: decoder(file) for stem, file in found.items()}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error


def _png_decoder(path: Path) -> Callable[[tuple[int, int]], Mask]:
    def decode(shape: tuple[int, int]) -> Mask:
        try:
            return decode_mask(_read(path), shape)
        except ValueError as error:
            raise DatasetError(f"{path}: not usable as a mask: {error}") from error

    return decode


# YOLO segmentation labels: a line is a class and a polygon in fractions of the image


def _yolo_decoder(path: Path) -> Callable[[tuple[int, int]], Mask]:
    def decode(shape: tuple[int, int]) -> Mask:
        height, width = shape
        polygons = [
            polygon * (width, height)
            for number, line in enumerate(_read(path).decode("utf-8", "replace").splitlines(), 1)
            if (polygon := _yolo_polygon(line, f"{path}: line {number}")) is not None
        ]
        return _own_person([fill_polygon(polygon, shape) for polygon in polygons], shape)

    return decode


def _yolo_polygon(line: str, where: str) -> Polygon | None:
    words = line.split()
    if not words:
        return None
    try:
        label, *numbers = map(float, words)
    except ValueError:
        raise DatasetError(f"{where}: expected a class and coordinates, all numbers") from None
    if label != 0:
        return None  # class 0 is the person, as in COCO's and in one-class data sets
    if len(numbers) == 4:
        raise DatasetError(f"{where}: a box, not a polygon; export segmentation labels instead")
    if len(numbers) < 6 or len(numbers) % 2:
        raise DatasetError(f"{where}: {len(numbers)} coordinates do not make a polygon")
    polygon = np.array(numbers, np.float64).reshape(-1, 2)
    if not np.isfinite(polygon).all() or abs(polygon).max() > 2:
        raise DatasetError(f"{where}: coordinates are fractions of the image, from 0 to 1")
    return polygon


# COCO JSON


def _coco_decoders(path: Path) -> dict[str, Callable[[tuple[int, int]], Mask]]:
    try:
        content = json.loads(_read(path))
        images = {int(image["id"]): image for image in content["images"]}
        wanted = _person_categories(content.get("categories", []))
        of_image: dict[int, list[Any]] = defaultdict(list)
        for annotation in content["annotations"]:
            if not wanted or annotation["category_id"] in wanted:
                of_image[int(annotation["image_id"])].append(annotation["segmentation"])
        names = {key: _stem(str(image["file_name"])) for key, image in images.items()}
        sizes = {key: (int(i["height"]), int(i["width"])) for key, i in images.items()}
    except RecursionError as error:
        raise DatasetError(f"{path}: nested too deeply to be a COCO file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path}: not a COCO file: it needs images (id, file_name, width, height) and "
            f"annotations (image_id, category_id, segmentation); {type(error).__name__}: {error}"
        ) from error
    found: dict[str, Callable[[tuple[int, int]], Mask]] = {}
    for key, segmentations in of_image.items():
        if key not in names:
            raise DatasetError(f"{path}: an annotation is of image {key}, which is not listed")
        if names[key] in found:
            raise DatasetError(f"{path}: two images are called {names[key]}")
        where = f"{path}: {names[key]}"
        found[names[key]] = _coco_decoder(segmentations, sizes[key], where)
    return found


def _person_categories(categories: Sequence[Mapping[str, Any]]) -> set[int]:
    """Return the ids of people; all categories where none is called person."""
    people = {
        c["id"] for c in categories if str(c["name"]).lower() in (PERSON, "people", "pedestrian")
    }
    return people or {c["id"] for c in categories}


def _stem(name: str) -> str:
    return PureWindowsPath(name).stem  # splits at / and at \


def _coco_decoder(
    segmentations: Sequence[Any], size: tuple[int, int], where: str
) -> Callable[[tuple[int, int]], Mask]:
    def decode(shape: tuple[int, int]) -> Mask:
        masks = [_coco_mask(segmentation, size, where) for segmentation in segmentations]
        try:
            return fit_mask(_own_person(masks, size), shape)
        except ValueError as error:
            raise DatasetError(f"{where}: not usable as a mask: {error}") from error

    return decode


def _coco_mask(segmentation: Any, size: tuple[int, int], where: str) -> Mask:
    from pycocotools import mask as rle

    try:
        if isinstance(segmentation, list):
            polygons = [np.array(p, np.float64).reshape(-1, 2) for p in segmentation]
            if not polygons:
                raise ValueError("it is empty")
            filled: Mask = np.any([fill_polygon(p, size) for p in polygons], axis=0)
            return filled
        counts = segmentation["counts"]
        if list(segmentation["size"]) != list(size):
            raise DatasetError(f"{where}: its run-length encoding is of another size")
        if isinstance(counts, list):
            if sum(counts) != size[0] * size[1] or min(counts, default=0) < 0:
                raise ValueError("the runs do not fill the image")
            segmentation = rle.frPyObjects(segmentation, *size)
        decoded: Mask = np.asarray(rle.decode(segmentation), np.bool_)
        return decoded
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{where}: segmentation cannot be read: {error}") from error


def _own_person(masks: Sequence[Mask], shape: tuple[int, int]) -> Mask:
    """Choose, among everybody who is marked in a crop, the person whom the crop is about."""
    if not masks:
        return np.zeros(shape, np.bool_)
    boxes = np.array([_box(mask) for mask in masks], np.float32)
    index = choose_person(boxes, np.ones(len(masks), np.float32), shape)
    return masks[index or 0]


def _box(mask: Mask) -> tuple[int, int, int, int]:
    """Return a mask's bounding box: left, top, right, bottom; all 0 for an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return (0, 0, 0, 0)
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


# Writing


@dataclass(frozen=True, slots=True)
class NamedMask:
    """A mask to be written for another tool.

    Attributes:
        file_name: Of the image, without its folder.
        mask: bool H×W.
        score: How good the mask is thought to be, 0 to 1.
    """

    file_name: str
    mask: Mask
    score: float


def write_foreign_masks(
    masks: Iterable[NamedMask], to: Path, form: Literal["coco", "yolo", "png"]
) -> int:
    """Write masks for another tool.

    Args:
        masks: What to write.
        to: A folder; made if need be.
        form: ``png`` (8 bits, white is the person), ``coco`` (one JSON file) or ``yolo``
            (segmentation labels, one text file per image).

    Returns:
        How many masks were written.

    Raises:
        OutputError: A file cannot be written.
    """
    make_folder(to)
    if form == "coco":
        return _write_coco(masks, to)
    count = 0
    for named in masks:
        count += 1
        stem = _stem(named.file_name)
        if form == "yolo":
            write_file(to / f"{stem}.txt", _yolo_line(named.mask).encode())
        else:
            write_file(to / f"{stem}.png", encode_mask(named.mask))
    return count


def _yolo_line(mask: Mask) -> str:
    polygons = outline_polygons(mask)
    if not polygons:
        return ""
    height, width = mask.shape
    corners = join_polygons(polygons) / (width, height)
    return f"0 {' '.join(f'{value:.8g}' for value in corners.ravel())}\n"


def _write_coco(masks: Iterable[NamedMask], to: Path) -> int:
    images, annotations = [], []
    for number, named in enumerate(masks, 1):
        height, width = named.mask.shape
        left, top, right, bottom = _box(named.mask)
        images.append(
            {"id": number, "file_name": named.file_name, "width": width, "height": height}
        )
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "segmentation": _coco_segmentation(named.mask),
                "area": int(np.count_nonzero(named.mask)),
                "bbox": [left, top, right - left, bottom - top],
                "iscrowd": 0,
                "score": round(named.score, 6),
            }
        )
    categories = [{"id": 1, "name": PERSON, "supercategory": PERSON}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_file(to / COCO_FILE, json.dumps(content).encode())
    return len(images)


def _coco_segmentation(mask: Mask) -> Any:
    """Return polygons, which every tool can edit, or where there are holes, run lengths."""
    polygons = outline_polygons(mask)
    union = np.zeros(mask.shape, np.bool_)
    for polygon in polygons:
        union |= fill_polygon(polygon, mask.shape)
    if polygons and np.array_equal(union, mask):
        return [polygon.ravel().tolist() for polygon in polygons]
    from pycocotools import mask as rle

    encoded = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode("ascii")}
