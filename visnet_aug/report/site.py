"""Writes the report of a finished build: one page to look at it, without network or server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from visnet_aug import __version__
from visnet_aug.builder.observer import Advance, Silent
from visnet_aug.builder.output import REPORT_FOLDER
from visnet_aug.files import write_file
from visnet_aug.processes import default_workers, spread
from visnet_aug.progress import Stage
from visnet_aug.report import contacts, distributions
from visnet_aug.report.data import images_script, record_scripts
from visnet_aug.report.material import Material, read_material
from visnet_aug.report.measures import Measures
from visnet_aug.report.overview import overview
from visnet_aug.report.publish import publish, publish_index, unpublished
from visnet_aug.report.sprites import Cell, Drawn, Sheet, choose_cell, cut_sheets, draw_sheet

SCRIPTS: Final = ("theme", "store", "parts", "sheets", "grid", "detail", "page")
"""The page's scripts, in the order in which they need each other."""

_STYLE: Final = "style.css"

_MOST_FILES: Final = 500
"""Unusable files of one reason that are listed; all are in ``rejected.csv``."""


def write_report(
    root: Path,
    *,
    sample: int | None = None,
    workers: int | None = None,
    stage: Stage | None = None,
) -> Path:
    """Write the report of a finished build or probe, in place of an earlier one.

    It starts processes, unless ``workers`` is 1: a script that calls it needs ``if __name__ ==
    "__main__":`` around what it does. The same build gives the same files.

    Args:
        root: The output folder of a build.
        sample: Show this many source images one by one, with all that was made of them; ``None``
            for all. Counts are the whole set's either way.
        workers: Number of processes; ``None`` for one per processor.
        stage: Told about progress.

    Returns:
        The page.

    Raises:
        OutputError: The folder holds no finished build, a table cannot be read, or the report not
            be written.
        ManifestError: The manifest is damaged.
        WorkerError: A worker process died.
    """
    stage = stage or Silent().stage
    folder = root / REPORT_FOLDER
    with stage("read tables") as advance:
        material = read_material(root, sample)
        advance(len(material.rows), len(material.rows))
    chosen = contacts.choose_contacts(material)
    with unpublished(folder) as parts:
        cell = choose_cell((row.width, row.height) for row in material.shown)
        masks = _mask_sizes(material)
        sheets = _sheets(material, masks)
        with stage("draw") as advance:
            work = partial(draw_sheet, root=root, folder=parts, cell=cell)
            drawn = _draw(work, sheets, workers or default_workers(), advance)
        measures = [of for each in drawn for of in each.measures]
        with stage("write") as advance:
            _write_scripts(parts, material, chosen, cell, list(masks), measures)
            name = publish(folder, parts)
            page = _page(material, chosen, measures, drawn, name)
            index = publish_index(folder, name, page)
            advance(len(material.shown), len(material.shown))
    return index


def _mask_sizes(material: Material) -> Mapping[str, tuple[int, int]]:
    """Return width and height of the masks of the images that are shown, by path."""
    return {row.mask: (row.width, row.height) for row in material.shown if row.mask is not None}


def _sheets(material: Material, masks: Mapping[str, tuple[int, int]]) -> list[Sheet]:
    images = cut_sheets(
        [row.path for row in material.shown],
        [(row.width, row.height) for row in material.shown],
    )
    return images + cut_sheets(list(masks), list(masks.values()), masks=True)


def _draw(
    work: partial[Drawn], sheets: Sequence[Sheet], workers: int, advance: Advance
) -> list[Drawn]:
    total, done, drawn = sum(len(sheet.paths) for sheet in sheets), 0, []
    for each in spread(work, sheets, workers, preload=draw_sheet.__module__):
        drawn.append(each)
        done += len(each.sheet.paths)
        advance(done, total)
    return drawn


def _write_scripts(
    parts: Path,
    material: Material,
    chosen: contacts.Contacts,
    cell: Cell,
    masks: Sequence[str],
    measures: Sequence[Measures | None],
) -> None:
    templates = resources.files("visnet_aug.report") / "templates"
    for name in (_STYLE, *(f"{script}.js" for script in SCRIPTS)):
        write_file(parts / name, (templates / name).read_bytes())
    write_file(parts / "images.js", images_script(material, chosen, cell, masks, measures))
    for name, data in record_scripts(material.shown):
        write_file(parts / name, data)


def _page(
    material: Material,
    chosen: contacts.Contacts,
    measures: Sequence[Measures | None],
    drawn: Sequence[Drawn],
    parts: str,
) -> bytes:
    environment = Environment(
        loader=PackageLoader("visnet_aug.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    environment.filters["words"] = lambda name: str(name).replace("_", " ")
    context: dict[str, Any] = {
        "version": __version__,
        "name": material.root.resolve().name,
        "parts": parts,
        "scripts": SCRIPTS,
        "set": overview(material),
        "shown": len(material.shown),
        "families": chosen.families,
        "styles": {family: material.style(family) for family in material.families},
        "rejected": chosen.rejected,
        "unusable": contacts.unusable_files(material),
        "charts": distributions.charts(material),
        "changes": distributions.changes(material, measures),
        "most_files": _MOST_FILES,
        "unseen": [each for sheet in drawn for each in sheet.unseen],
    }
    page = environment.get_template("index.html.j2").render(context)
    return page.encode(errors="backslashreplace")  # a path may hold bytes that are no text
