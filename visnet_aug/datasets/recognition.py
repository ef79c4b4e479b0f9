"""Which layout a folder has: by name, or by its folders, lists and names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from visnet_aug.datasets.boxmot import BOXMOT
from visnet_aug.datasets.cuhk03np import CUHK03NP
from visnet_aug.datasets.dukemtmcreid import DUKEMTMCREID
from visnet_aug.datasets.identities import Identities, compile_camera_pattern
from visnet_aug.datasets.layout import SUFFIXES, Layout, Recognisable, folders_near
from visnet_aug.datasets.market1501 import MARKET1501
from visnet_aug.datasets.mars import MARS
from visnet_aug.datasets.mot import Mot
from visnet_aug.datasets.msmt17 import MSMT17
from visnet_aug.datasets.pattern import Pattern, compile_pattern
from visnet_aug.datasets.table import METADATA, Table, find_metadata, find_table
from visnet_aug.datasets.veri776 import VERI776
from visnet_aug.errors import DatasetError, RecipeError

PUBLISHED: Final[tuple[Recognisable, ...]] = (
    MARKET1501,
    DUKEMTMCREID,
    MSMT17,
    CUHK03NP,
    VERI776,
    MARS,
)
"""Layouts of published sets, which a folder is recognised by first."""

AUTO: Final = "auto"

_MATLAB: Final = ("cuhk-03.mat", "cuhk03_new_protocol_config_*.mat")
_IMAGE = re.compile(f".+{SUFFIXES}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """What the user specifies about a dataset's layout.

    Attributes:
        layout: Its name; `AUTO` to recognise it.
        table: File of the layout ``table``.
        pattern: Regular expression of the layout ``pattern``.
        split_names: What folders mean; see `visnet_aug.datasets.splits`.
        camera_pattern: Regular expression for cameras in paths, of the layout ``identities``.
        boxes: How people are cut out of frames, of the layout ``mot``.
    """

    layout: str = AUTO
    table: str | None = None
    pattern: str | None = None
    split_names: Mapping[str, str] = field(default_factory=dict)
    camera_pattern: str = ""
    boxes: Mot = field(default_factory=Mot)

    @property
    def recognisable(self) -> Sequence[Recognisable]:
        """All layouts that a folder can be recognised by, with these options."""
        identities = Identities(self.split_names, self.camera_pattern)
        return (*PUBLISHED, self.boxes, BOXMOT, identities)


def find_layout(root: Path, options: LayoutOptions) -> tuple[Layout, str]:
    """Find the layout of a folder.

    Args:
        root: The folder.
        options: What the user specifies.

    Returns:
        The layout, and what it was recognised by; empty if the user named it.

    Raises:
        DatasetError: There is no such layout, it cannot be recognised, or the table is missing.
        RecipeError: An expression cannot be used, or there is neither table nor pattern.
    """
    name = options.layout
    if name == AUTO:
        name = "table" if options.table else "pattern" if options.pattern else AUTO
    if options.camera_pattern:
        compile_camera_pattern(options.camera_pattern)
    if name == AUTO:
        return recognise(root, options)
    return _named(root, name, options), ""


def _named(root: Path, name: str, options: LayoutOptions) -> Layout:
    """Return the layout with a name; see `find_layout`."""
    if name == "table" and options.table:
        return Table([find_table(options.table, root)], options.split_names)
    if name == "pattern" and options.pattern:
        compile_pattern(options.pattern)
        return Pattern(options.pattern, options.split_names)
    if name in ("table", "pattern"):
        argument = "FILE" if name == "table" else "REGEX"
        raise RecipeError(f"--layout {name} needs --{name} {argument}")
    if name == "huggingface":
        if metadata := find_metadata(root):
            return Table(metadata, options.split_names, beside=True)
        raise DatasetError(
            f"{root}: no {', '.join(METADATA)} in it or its splits, with columns for the file and "
            "the identity"
        )
    for layout in options.recognisable:
        if layout.name == name:
            return layout
    recognised = (layout.name for layout in options.recognisable)
    names = (AUTO, *recognised, "huggingface", "table", "pattern")
    raise DatasetError(f"{name}: unknown layout; known are {', '.join(names)}")


def check_used(layout: Layout, options: LayoutOptions) -> None:
    """Check that a layout uses the options that are given for it.

    Raises:
        RecipeError: It would ignore one.
    """
    given = {"split_names": options.split_names, "camera_pattern": options.camera_pattern}
    for name, value in given.items():
        if value and not hasattr(layout, name):
            option = f"--{name.replace('_', '-')}"
            raise RecipeError(
                f"{option}: the layout {layout.name} does not use it; leave it out, or choose "
                "--layout identities"
            )


def recognise(root: Path, options: LayoutOptions | None = None) -> tuple[Layout, str]:
    """Recognise the layout of a folder.

    Published sets come first; then tables of Hugging Face's ``datasets``, sequences and crops of
    trackers; and people's folders only if there is no published set a little below, or above a
    folder that holds images itself.

    Args:
        root: The folder.
        options: What the user specifies.

    Returns:
        The layout, and what it was recognised by.

    Raises:
        DatasetError: It is none, or it may be several; the message says what was looked for.
    """
    options = options or LayoutOptions()
    found = _recognised(root, PUBLISHED)
    if len(found) == 1:
        return found[0]
    if found:
        may_be = " and like ".join(f"{layout.name} ({why})" for layout, why in found)
        names = " or ".join(layout.name for layout, _ in found)
        raise DatasetError(f"{root}: looks like {may_be}; choose one with --layout {names}")
    _refuse_matlab(root)
    if metadata := find_metadata(root):
        shown = metadata[0].relative_to(root).as_posix()
        return Table(metadata, options.split_names, beside=True), f"tables such as {shown}"
    *own, identities = options.recognisable[len(PUBLISHED) :]
    if found := _recognised(root, own):
        return found[0]
    flat = _holds_images(root)
    for folder in folders_near(root):
        if (flat or folder != root.parent) and (near := _recognised(folder, PUBLISHED)):
            raise DatasetError(
                f"{root}: no known layout in it; did you mean {folder} ({near[0][0].name})?"
            )
    if why := identities.recognise(root):
        return identities, why
    if near := _recognised(root.parent, PUBLISHED):
        raise DatasetError(
            f"{root}: no known layout in it; did you mean {root.parent} ({near[0][0].name})?"
        )
    wanted = "; ".join(f"{layout.name}: {layout.signs}" for layout in options.recognisable)
    raise DatasetError(
        f"{root}: no known layout in it. Looked for {wanted}. Read anything else with "
        "--table FILE (with columns path, pid, camid, split) or --pattern REGEX"
    )


def _refuse_matlab(root: Path) -> None:
    for pattern in _MATLAB:
        if file := next(iter(sorted(root.glob(pattern))), None):
            raise DatasetError(
                f"{file}: CUHK03 as MATLAB's file; give CUHK03-NP's folders (detected or labeled, "
                "--layout cuhk03-np), or let torchreid unpack it and use --pattern"
            )


def _holds_images(root: Path) -> bool:
    try:
        return any(_IMAGE.fullmatch(path.name) and path.is_file() for path in root.iterdir())
    except OSError:
        return False


def _recognised(root: Path, layouts: Sequence[Recognisable]) -> list[tuple[Recognisable, str]]:
    return [(layout, why) for layout in layouts if (why := layout.recognise(root))]
