"""Renders copies of a finished build again, from their records alone, or variations of them.

The record of a copy is its row in the manifest (what was drawn, not only the seed), its mask, and
the recipe's encoding and feather. Nothing is planned or drawn, so that a replay shows whether the
record is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, TypeAlias

import cv2
import numpy as np

from visnet_aug.backgrounds.registry import make_family
from visnet_aug.backgrounds.rewrite import draw_params
from visnet_aug.backgrounds.settings import draw_variant
from visnet_aug.builder.folder import BUILD, MANIFEST, RECIPE, check_finished, read_build_json
from visnet_aug.builder.identity import differences, rendering_versions
from visnet_aug.builder.render import Rendered, Renderer
from visnet_aug.builder.rows import mask_of, source_stem, stem_of
from visnet_aug.datasets.images import decode_rgb
from visnet_aug.errors import DatasetError, OutputError, RecipeError
from visnet_aug.files import make_folder, sha256_of, write_file
from visnet_aug.manifest import ManifestRow, read_manifest
from visnet_aug.masks.store import MaskStore, read_mask
from visnet_aug.recipe import load_recipe
from visnet_aug.shards import read_bytes, shard_of

Outcome: TypeAlias = Literal["same", "file differs", "differs", "variation"]

_UNUSABLE_RECORD: Final = (
    RecipeError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    cv2.error,
)
"""What rendering raises if somebody edited the record."""

_NEAR: Final = 3
"""Names that are suggested for an unknown one."""


@dataclass(frozen=True, slots=True)
class Variation:
    """What differs from the record; ``None`` for no change.

    Attributes:
        family: Family of the background. Another family draws its variant from the seed.
        intensity: Strength in 0..1.
        seed: Of everything that is drawn, the variant included.

    Examples:
        >>> from visnet_aug import Variation, read_manifest, replay
        >>> copy = next(row for row in read_manifest("aug/manifest.csv") if row.copy)
        >>> other = Variation(family="gradient", intensity=1.0)
        >>> [made.outcome for made in replay("aug", copy.path, to="variations", variation=other)]
        ['variation']
    """

    family: str | None = None
    intensity: float | None = None
    seed: int | None = None

    def __bool__(self) -> bool:
        return self != Variation()


@dataclass(frozen=True, slots=True)
class Replay:
    """The result for one row.

    Attributes:
        path: The row's.
        outcome: ``same``: the bytes are the file's and have the row's checksum. ``file differs``:
            they have the checksum, but the file in the output is missing or different.
            ``differs``: they do not. ``variation``: they were not meant to be the same.
        detail: What may explain a difference; of a variation, what was drawn.
        written: Where it was written, if it was.

    Examples:
        >>> from visnet_aug import Replay, read_manifest, replay
        >>> copy = next(row for row in read_manifest("aug/manifest.csv") if row.copy)
        >>> again: Replay = next(replay("aug", copy.path, to="again"))
        >>> again.outcome, again.written.parts[0]
        ('same', 'again')
    """

    path: str
    outcome: Outcome
    detail: str
    written: Path | None

    @property
    def agrees(self) -> bool:
        """Whether nothing contradicts the record."""
        return self.outcome in ("same", "variation")

    def line(self) -> str:
        """Describe the result in one line."""
        says = {
            "same": "the same bytes",
            "file differs": "the bytes of its record, but the file has others",
            "differs": "other bytes than its record says",
            "variation": "a variation",
        }[self.outcome]
        detail = f" ({self.detail})" if self.detail else ""
        written = f", written to {self.written}" if self.written else ""
        return f"{'ok' if self.agrees else '!!'}  {self.path}: {says}{detail}{written}"


class Replayer:
    """Renders rows of one finished build or probe."""

    def __init__(self, root: Path, source: Path | None = None) -> None:
        """Read the build's tables.

        Args:
            root: The output folder of a build.
            source: The source dataset; needed where the output does not contain its sources.

        Raises:
            OutputError: The folder holds no finished build, or one of another version's format.
            ManifestError: The manifest is damaged.
            RecipeError: The recipe is.
            DatasetError: ``source`` is no folder.
        """
        check_finished(root)
        if source is not None and not source.is_dir():
            raise DatasetError(f"{source}: no such folder; give the source dataset's")
        self._root, self._source = root, source
        self._built: Mapping[str, Any] = {}
        with suppress(OSError, ValueError):  # only needed to explain differences
            self._built = read_build_json(root)
        self._recipe = load_recipe(root / RECIPE)
        self._rows = {row.path: row for row in read_manifest(root / MANIFEST)}
        self._kept = {row.source: row for row in self._rows.values() if row.kind == "original"}
        self._masks = MaskStore(root).entries

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self._recipe)

    @cached_property
    def _other_versions(self) -> str:
        """Which library versions differ from those that built the set."""
        try:
            there = self._built["identity"]["versions"]
            return "; ".join(differences(there, rendering_versions()))
        except (KeyError, TypeError, AttributeError):
            return f"{BUILD} does not say which versions it was built with"

    def find(self, names: Sequence[str]) -> list[ManifestRow]:
        """Find copies by name.

        Args:
            names: Each a path in the manifest, a file's name or its stem, the path, name or stem
                of a source (for all of its copies), or a pattern of these with ``*``, ``?``.

        Returns:
            The copies in the manifest's order, each once.

        Raises:
            RecipeError: A name matches no copy; the message suggests others.
        """
        copies = [row for row in self._rows.values() if row.kind == "augmented"]
        known = {row.path: self._names(row) for row in copies}
        wanted: set[str] = set()
        for name in names:
            fitting = {
                path
                for path, own in known.items()
                if name in own or any(fnmatchcase(each, name) for each in own)
            }
            if not fitting:
                raise RecipeError(self._unknown(name, copies))
            wanted |= fitting
        return [row for row in copies if row.path in wanted]

    def replay(self, row: ManifestRow, to: Path | None = None) -> Replay:
        """Render a copy again and compare it.

        Args:
            row: Of a copy.
            to: Folder to write it to, under the row's path; of an image in a shard, its name there.

        Raises:
            OutputError: The mask cannot be read, or the folder not be written.
            DatasetError: The source cannot be read, or is another than the copy was made from.
        """
        assert row.family is not None
        assert row.params is not None
        source = self._source_bytes(row)
        mask = read_mask(self._root / str(row.mask), (row.height, row.width))
        try:
            made = self._renderer.render_record(row.family, row.params, source, mask)
        except _UNUSABLE_RECORD as error:
            what = f"the record cannot be rendered ({type(error).__name__}: {error})"
            return Replay(row.path, "differs", what, None)
        written = _write(made, to, row.path)
        if made.sha256 != row.sha256:
            return Replay(row.path, "differs", self._reasons(row), written)
        try:
            there = read_bytes(self._root, row.path) == made.data
        except OSError as error:
            return Replay(row.path, "file differs", error.strerror or "unreadable", written)
        return Replay(row.path, "same" if there else "file differs", "", written)

    def vary(self, row: ManifestRow, variation: Variation, to: Path) -> Replay:
        """Render a copy with different draws, and write it.

        Raises:
            VisnetError: As `replay`; or there is no such family.
        """
        source = self._source_bytes(row)
        mask = read_mask(self._root / str(row.mask), (row.height, row.width))
        family = variation.family or str(row.family)
        recipe = self._recipe.model_copy(
            update={"backgrounds": self._recipe.backgrounds.only([family])}
        )
        seed = int(row.seed or 0) if variation.seed is None else variation.seed
        variant, intensity = str(row.variant), float(row.intensity or 0)
        if (family, seed) != (row.family, row.seed):
            drawn = np.random.default_rng(seed)
            variant, intensity = draw_variant(recipe.backgrounds.family(family), drawn)
        if variation.intensity is not None:
            intensity = variation.intensity
        params = draw_params(
            make_family(family, recipe.backgrounds), variant, intensity, seed,
            decode_rgb(source).shape[:2],
        )  # fmt: skip
        made = Renderer(recipe).render_record(family, params, source, mask)
        path = PurePosixPath(row.path)
        name = f"{source_stem(row)}_{row.copy}_{family}_i{intensity:g}_s{seed}{path.suffix}"
        written = _write(made, to, str(path.with_name(name)))
        return Replay(row.path, "variation", f"{variant}, intensity {intensity:g}", written)

    def _source_bytes(self, row: ManifestRow) -> bytes:
        """Read the image that a copy was made from, and check that it is the same."""
        kept = self._kept.get(row.source)
        if kept is not None:
            root, path, sha256 = self._root, kept.path, kept.sha256
        elif self._source is not None:
            entry = self._masks.get(mask_of(row))
            root, path, sha256 = self._source, row.source, entry.image_sha256 if entry else ""
        else:
            raise DatasetError(
                f"{row.path}: its source {row.source} is not in {self._root}; give the source "
                "dataset's folder by --src"
            )
        file = root / path
        try:
            data = read_bytes(root, path)
        except OSError as error:
            raise DatasetError(f"{file}: cannot be read ({error.strerror}); restore it") from error
        if sha256 and sha256_of(data) != sha256:
            raise DatasetError(f"{file}: not the image that {row.path} was made from; restore it")
        return data

    def _names(self, row: ManifestRow) -> tuple[str, ...]:
        """Return all names of a copy that `find` accepts."""
        kept = self._kept.get(row.source)
        paths = (row.path, row.source, *((kept.path,) if kept else ()))
        return tuple(dict.fromkeys(form for path in paths for form in _forms(path)))

    def _reasons(self, row: ManifestRow) -> str:
        """Name what can explain different bytes."""
        entry = self._masks.get(mask_of(row))
        mask = (self._root / str(row.mask)).read_bytes()
        reasons = []
        if entry is not None and sha256_of(mask) != entry.mask_sha256:
            reasons.append(f"{row.mask} was changed since")
        if self._other_versions:
            reasons.append(self._other_versions)
        return "; ".join(reasons) or "mask, source and versions are as recorded: the row was edited"

    def _unknown(self, name: str, copies: Iterable[ManifestRow]) -> str:
        if name in self._rows:
            return f"{name}: passed through untouched, and no copy was made of it"
        names = {PurePosixPath(row.path).name for row in copies}
        near = get_close_matches(PurePosixPath(name).name, sorted(names), _NEAR, 0.5)
        proposal = f"; did you mean {' or '.join(near)}?" if near else ""
        return f"{name}: no copy in {self._root} has this name{proposal}"


def replay(
    folder: str | Path,
    names: str | Sequence[str],
    *,
    source: str | Path | None = None,
    to: str | Path | None = None,
    variation: Variation | None = None,
) -> Iterator[Replay]:
    """Render copies of a finished build again, or variations of them.

    Args:
        folder: The output folder of a build or probe.
        names: Names of copies, as `Replayer.find` takes them.
        source: The source dataset; needed where the output does not contain its sources.
        to: Folder to write the images to, outside the build; ``None`` to write nothing.
        variation: What differs from the records; needs ``to``.

    Returns:
        An iterator over the results, in the manifest's order; each is rendered when it is asked
        for.

    Raises:
        RecipeError: A name matches no copy, there is no such family, or a variation has no ``to``.
        OutputError: The folder holds no finished build, or cannot be written to.
        ManifestError: The manifest is damaged.
        DatasetError: A source cannot be read, or is not the one that the copy was made from.

    Examples:
        >>> from visnet_aug import read_manifest, replay
        >>> copies = [row for row in read_manifest("aug/manifest.csv") if row.copy]
        >>> [again.outcome for again in replay("aug", copies[0].path)]
        ['same']
    """
    root, target = Path(folder), Path(to) if to is not None else None
    if target is not None:
        check_target(root, target)
    elif variation:
        raise RecipeError("variations are written: give the folder for them, too")
    replayer = Replayer(root, Path(source) if source is not None else None)
    rows = replayer.find([names] if isinstance(names, str) else names)
    if variation and target is not None:
        return (replayer.vary(row, variation, target) for row in rows)
    return (replayer.replay(row, target) for row in rows)


def check_target(root: Path, to: Path) -> None:
    """Refuse to write into the build itself.

    Raises:
        OutputError: The folder is the build's or in it.
    """
    if to.resolve().is_relative_to(root.resolve()):
        raise OutputError(f"{to}: inside the build {root}; choose another folder for --to")


def _forms(path: str) -> Iterator[str]:
    yield path
    yield PurePosixPath(path).name
    yield stem_of(path)


def _write(made: Rendered, to: Path | None, path: str) -> Path | None:
    if to is None:
        return None
    shard = shard_of(path)
    target = to / (path if shard is None else path.removeprefix(f"{shard}/"))
    make_folder(target.parent)
    write_file(target, made.data)
    return target
