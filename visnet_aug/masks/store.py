"""Masks on disk: computed once, and reused while image, weights and settings stay the same.

``masks/<stem>.png`` is a PNG (white is the person) for every accepted image, and ``masks.csv`` next
to the folder has one line per image, accepted or not. The masks of test images, which only a probe
needs, are in ``masks/query/`` and ``masks/gallery/``, because a stem may occur in both. A mask is
reused if its line has the key asked for and its PNG the checksum on the line. Anything else is
computed again, except for what people make:

* A PNG that differs from its line, or that appeared without being ours, is an **edit**. The file
  stays as it is, its origin becomes ``edited``, and it survives new weights and settings. An edit
  that is all black rejects the image. An edit that cannot be read as a mask is an error.
* A PNG that was saved again without changing a pixel is no edit; it gets its old bytes back.
* An imported mask (`MaskStore.adopt`) survives in the same way.
* To undo an edit, delete the PNG: a missing file is computed again.

Files appear under a temporary name and are renamed, ``masks.csv`` last, so that a killed run leaves
nothing half-written. PNGs without a line that we encoded are remains of such a run and are
computed again.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from visnet_aug.datasets.record import Split
from visnet_aug.errors import OutputError
from visnet_aug.files import (
    PART_SUFFIX,
    cannot,
    make_folder,
    part_of,
    remove_file,
    sha256_of,
    write_file,
)
from visnet_aug.masks.person import Mask, PersonMask, Reason, mask_area
from visnet_aug.masks.png import decode_mask, encode_mask, is_our_encoding
from visnet_aug.masks.settings import PERSON, MaskSettings

FOLDER: Final = "masks"
TABLE: Final = "masks.csv"

SEGMENTER: Final = "segmenter"
EDITED: Final = "edited"

Damage: TypeAlias = Literal["torn line", "missing PNG"]

_METHOD: Final = "visnet-mask-2"
"""Part of every key: raise it when choosing or cleaning changes, and stored masks are redone."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class MaskEntry:
    """One line of ``masks.csv``, its columns in order.

    Attributes:
        stem: Names the image, and the mask ``masks/<stem>.png``; see `mask_name`.
        image_sha256: Of the image file's bytes.
        key: What the mask was computed from, see `mask_key`.
        area: Fraction of the image that the mask covers, to six digits.
        confidence: Of the chosen instance, to six digits.
        mask_quality: Predicted IoU with the true mask, to six digits; empty for a mask that a
            person or another tool made, and where the weights do not predict it.
        verdict: ``accepted`` or ``rejected``.
        reason: Why a mask is rejected; empty for an accepted one.
        origin: ``segmenter``; ``edited`` for a mask that was edited by hand; for an imported mask
            the name of the file or folder that it came from.
        mask_sha256: Of the PNG's bytes; empty where there is none.
    """

    stem: str
    image_sha256: str
    key: str
    area: float
    confidence: float
    mask_quality: float | None
    verdict: Literal["accepted", "rejected"]
    reason: Reason | Literal[""]
    origin: str
    mask_sha256: str

    @property
    def accepted(self) -> bool:
        """Whether the image has a mask to use."""
        return self.verdict == "accepted"

    @property
    def edited(self) -> bool:
        """Whether the mask was edited by hand."""
        return self.origin == EDITED

    @property
    def computed(self) -> bool:
        """Whether the segmenter made the mask, so that other weights would make another."""
        return self.origin == SEGMENTER


COLUMNS: Final = tuple(field.name for field in fields(MaskEntry))

_FIRST_COLUMNS: Final = (
    "stem", "image_sha256", "key", "area", "confidence", "verdict", "reason", "mask_sha256",
)  # fmt: skip
"""Those of version 0.1.0, where the reason ``edited`` stood for the origin."""


def mask_name(split: Split, stem: str) -> str:
    """Return what names an image among an output's masks: its stem, a test image's below its split.

    Stems are unique within a split only.
    """
    return stem if split == "train" else f"{split}/{stem}"


def mask_key(image_sha256: str, segmenter_key: str, settings: MaskSettings) -> str:
    """Return the hex digest of all that a mask depends on."""
    # Keys of people's masks are older than the choice of classes, and stay as they were.
    chosen = settings.model_dump(exclude={"classes"} if settings.classes == PERSON else None)
    parts = [_METHOD, image_sha256, segmenter_key, chosen]
    return sha256_of(json.dumps(parts, sort_keys=True).encode())


def read_mask(path: Path, shape: tuple[int, int]) -> Mask:
    """Read a stored mask.

    Args:
        path: A PNG that `MaskStore` knows.
        shape: Height and width of the image.

    Returns:
        bool H×W, True for the person.

    Raises:
        OutputError: The file is missing or cannot be used as a mask.
    """
    try:
        return decode_mask(path.read_bytes(), shape)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path}: mask cannot be read ({error}); run the same build again to remake it"
        ) from error


def save_mask(out: Path, stem: str, image_sha256: str, key: str, found: PersonMask) -> MaskEntry:
    """Write an accepted mask, or remove the file of a rejected one.

    Args:
        out: The output folder.
        stem: Of the image; see `mask_name`.
        image_sha256: Of the image file.
        key: `mask_key` of the image, the weights and the settings.
        found: What the segmenter says.

    Returns:
        The mask's entry, to be noted in the folder's `MaskStore`.

    Raises:
        OutputError: The folder cannot be written.
    """
    path, data = _mask_path(out, stem), b""
    if found.accepted and found.mask is not None:
        data = encode_mask(found.mask)
        make_folder(path.parent)
        write_file(path, data)
    else:
        remove_file(path)
    return MaskEntry(
        stem=stem,
        image_sha256=image_sha256,
        key=key,
        area=round(found.area, 6),
        confidence=round(found.confidence, 6),
        mask_quality=None if found.quality is None else round(found.quality, 6),
        verdict="accepted" if found.accepted else "rejected",
        reason=found.reason or "",
        origin=SEGMENTER,
        mask_sha256=_mask_sha256(data),
    )


class MaskStore:
    """The masks of one output folder.

    Attributes:
        damaged: How often something stored turned out unusable, by kind.
    """

    def __init__(self, out: Path) -> None:
        """Read ``masks.csv`` if there is one; lines that cannot be used are counted as damaged.

        Raises:
            OutputError: ``masks.csv`` exists and cannot be read.
        """
        self.damaged: Counter[Damage] = Counter()
        self._out = out
        self._table = out / TABLE
        self._entries: dict[str, MaskEntry] = {}
        self._unwritten = False
        self._read_table()

    @property
    def entries(self) -> Mapping[str, MaskEntry]:
        """What is known, by stem."""
        return self._entries

    def path(self, stem: str) -> Path:
        """Return where the mask of an image is, or would be."""
        return _mask_path(self._out, stem)

    def find(
        self, stem: str, image_sha256: str, key: str, shape: tuple[int, int]
    ) -> MaskEntry | None:
        """Look a mask up, checking its file.

        Args:
            stem: Of the image.
            image_sha256: Of the image file as it is now.
            key: `mask_key` of the image, the weights and the settings as they are now.
            shape: Height and width of the image.

        Returns:
            The entry to use, an edit included, or ``None`` if the mask must be computed.
        """
        entry, data = self._entries.get(stem), self._read_png(stem)
        if entry is None:
            if not data or is_our_encoding(data, shape):
                return None
            return self._note(self._edit(stem, image_sha256, key, data, shape))
        if _mask_sha256(data) != entry.mask_sha256:
            if not data:
                self.damaged["missing PNG"] += 1
                return None
            edit = self._edit(stem, image_sha256, key, data, shape, entry.confidence)
            unchanged = encode_mask(decode_mask(data, shape))
            if _mask_sha256(unchanged) != entry.mask_sha256:
                return self._note(edit)
            write_file(self.path(stem), unchanged)
        if entry.image_sha256 != image_sha256:
            if not entry.computed and data:
                raise OutputError(
                    f"{self.path(stem)}: its image has changed since this mask was made; delete "
                    "the mask to have it computed again"
                )
            return None
        return entry if entry.key == key or not entry.computed else None

    def adopt(
        self, stem: str, image_sha256: str, key: str, found: PersonMask, origin: str
    ) -> MaskEntry:
        """Store a mask that another tool made.

        Args:
            stem: Of the image; see `mask_name`.
            image_sha256: Of the image file.
            key: `mask_key` of the image, the weights and the settings.
            found: The mask and the verdict on it.
            origin: Where it comes from.

        Returns:
            The entry; on disk only after `flush`.

        Raises:
            OutputError: The folder cannot be written.
        """
        entry = save_mask(self._out, stem, image_sha256, key, found)
        return self._note(replace(entry, origin=origin, mask_quality=None))

    def note(self, entries: Iterable[MaskEntry]) -> None:
        """Note what `save_mask` has stored; it is on disk only after `flush`."""
        for entry in entries:
            self._note(entry)

    def sweep(self, stems: Collection[str]) -> None:
        """Remove what a kill left half-written of these images' masks and of the table.

        Most of it would be written over, but not where other weights reject an image.

        Raises:
            OutputError: The folder cannot be read, or a file of it removed.
        """
        remove_file(part_of(self._table))
        ours = {part_of(self.path(stem)) for stem in stems}
        for folder in {path.parent for path in ours}:
            try:
                parts = list(folder.glob(f"*{PART_SUFFIX}"))
            except OSError as error:
                raise cannot("read", folder, error) from error
            for part in ours.intersection(parts):
                remove_file(part)

    def forget(self, stems: Iterable[str]) -> None:
        """Drop the entries of images that are about to be computed again, on disk too.

        Otherwise a new PNG beside an old line, which is what a killed run leaves, would pass for
        an edit.
        """
        for stem in stems:
            if self._entries.pop(stem, None):
                self._unwritten = True
        self.flush()

    def flush(self) -> None:
        """Write ``masks.csv``, sorted by stem, if it would change.

        Raises:
            OutputError: The folder cannot be written.
        """
        if not self._unwritten:
            return
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for _, entry in sorted(self._entries.items()):
            writer.writerow(_format(entry))
        data = text.getvalue().encode("utf-8", "surrogateescape")
        make_folder(self._table.parent)
        write_file(self._table, data, durable=True)
        self._unwritten = False

    def _read_png(self, stem: str) -> bytes:
        """Return the bytes of a mask's file; none if there is no file."""
        try:
            return self.path(stem).read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise cannot("read", self.path(stem), error) from error

    def _edit(
        self,
        stem: str,
        image_sha256: str,
        key: str,
        data: bytes,
        shape: tuple[int, int],
        confidence: float = 0.0,
    ) -> MaskEntry:
        """Take a PNG for an edit; the file stays as it is.

        Raises:
            OutputError: It cannot be read as a mask of the image.
        """
        try:
            mask = decode_mask(data, shape)
        except ValueError as error:
            raise OutputError(
                f"{self.path(stem)}: not usable as a mask: {error}. Correct it, or delete it to "
                "have the mask computed again"
            ) from error
        return MaskEntry(
            stem=stem,
            image_sha256=image_sha256,
            key=key,
            area=round(mask_area(mask), 6),
            confidence=confidence,
            mask_quality=None,
            verdict="accepted" if mask.any() else "rejected",
            reason="" if mask.any() else "no_person",
            origin=EDITED,
            mask_sha256=_mask_sha256(data),
        )

    def _note(self, entry: MaskEntry) -> MaskEntry:
        self._entries[entry.stem] = entry
        self._unwritten = True
        return entry

    def _read_table(self) -> None:
        try:
            text = self._table.read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            return
        except OSError as error:
            raise cannot("read", self._table, error) from error
        header, *lines = text.split("\n")
        is_old = header == ",".join(_FIRST_COLUMNS)
        self._unwritten = is_old
        torn = int(header != ",".join(COLUMNS) and not is_old)
        for line in lines:
            entry = _parse(line, is_old)
            if entry is not None:
                self._entries[entry.stem] = entry
            elif line:
                torn += 1
        if torn:
            self.damaged["torn line"] = torn
            self._unwritten = True


def _mask_path(out: Path, stem: str) -> Path:
    return out / FOLDER / f"{stem}.png"


def _format(entry: MaskEntry) -> list[str]:
    values = ("" if value is None else value for value in astuple(entry))
    return [f"{value:.6f}" if isinstance(value, float) else value for value in values]


def _parse(line: str, is_old: bool) -> MaskEntry | None:
    """Return a line's entry, or ``None`` if it is not exactly what `_format` would write.

    Each line is parsed by itself, so that one torn quote does not swallow the lines after it.
    """
    try:
        cells = next(csv.reader([line]))
        stem, image, key, area, confidence, quality, verdict, reason, origin, mask = (
            _today(*cells) if is_old else cells
        )
        numbers = float(area), float(confidence), float(quality) if quality else None
    except (ValueError, TypeError, StopIteration, csv.Error):
        return None
    entry = MaskEntry(
        stem, image, key, *numbers, cast(Any, verdict), cast(Any, reason), origin, mask
    )
    return entry if _is_sound(entry) else None


def _today(
    stem: str,
    image: str,
    key: str,
    area: str,
    confidence: str,
    verdict: str,
    reason: str,
    mask: str,
) -> tuple[str, ...]:
    """Bring the cells of a line of version 0.1.0 into today's columns."""
    origin = EDITED if reason == EDITED else SEGMENTER
    if reason == EDITED:
        reason = "" if verdict == "accepted" else "no_person"
    return stem, image, key, area, confidence, "", verdict, reason, origin, mask


def _is_sound(entry: MaskEntry) -> bool:
    reasons = {"accepted": ("",), "rejected": get_args(Reason)}
    has_mask = entry.accepted or entry.edited
    return (
        entry.stem != ""
        and entry.origin != ""
        and entry.reason in reasons.get(entry.verdict, ())
        and all(_SHA256.fullmatch(digest) for digest in (entry.image_sha256, entry.key))
        and bool(_SHA256.fullmatch(entry.mask_sha256)) == has_mask
        and all(math.isfinite(v) and 0 <= v <= 1 for v in (entry.area, entry.confidence))
        and (entry.mask_quality is None or (entry.computed and 0 <= entry.mask_quality <= 1))
    )


def _mask_sha256(data: bytes) -> str:
    """Return the checksum of a mask's file; empty for none, as in a line without a mask."""
    return sha256_of(data) if data else ""
