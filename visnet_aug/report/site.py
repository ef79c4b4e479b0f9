"""Writes the report of a finished build: one page to look at it, without network or server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from visnet_aug import __version__
from visnet_aug.builder.folder import REPORT_FOLDER
from visnet_aug.files import write_file
from visnet_aug.processes import default_workers, spread
from visnet_aug.progress import Advance, Stage, silent
from visnet_aug.report import contacts, distributions
from visnet_aug.report.data import images_script, record_scripts
from visnet_aug.report.finished import FinishedBuild, read_finished
from visnet_aug.report.measures import Measures
from visnet_aug.report.overview import overview
from visnet_aug.report.publish import publish, publish_index, unpublished
from visnet_aug.report.sprites import Drawn, Sheet, Tile, choose_tile, cut_sheets, draw_sheet

SCRIPTS: Final = ("theme", "store", "parts", "sheets", "grid", "detail", "page")
"""The page's scripts, in the order in which they need each other."""

_STYLE: Final = "style.css"

_MOST_FILES: Final = 500
"""Unusable files of one reason that are listed; all are in ``rejected.csv``."""


def write_report(
    folder: str | Path,
    *,
    sample: int | None = None,
    workers: int | None = None,
    stage: Stage | None = None,
) -> Path:
    """Write the report of a finished build or probe, in place of an earlier one.

    It starts processes, unless ``workers`` is 1: a script that calls it needs
    ``if __name__ == "__main__":``. The same build gives the same files.

    Args:
        folder: The output folder of a build or probe.
        sample: Show this many source images one by one, with everything made from them; ``None``
            for all. Counts are the whole set's either way.
        workers: Number of processes; ``None`` for one per processor.
        stage: Reports progress, such as `visnet_aug.progress.stage`; silent by default.

    Returns:
        Path of the page.

    Raises:
        OutputError: The folder holds no finished build, a table cannot be read, or the report not
            be written.
        ManifestError: The manifest is damaged.
        WorkerError: A worker process died.

    Example:
        >>> from visnet_aug import write_report
        >>> write_report("aug", workers=1).as_posix()
        'aug/report/index.html'
    """
    stage = stage or silent
    root = Path(folder)
    report = root / REPORT_FOLDER
    with stage("read tables") as advance:
        finished = read_finished(root, sample)
        advance(len(finished.rows), len(finished.rows))
    chosen = contacts.choose_contacts(finished)
    with unpublished(report) as parts:
        tile = choose_tile((row.width, row.height) for row in finished.shown)
        masks = _mask_sizes(finished)
        sheets = _sheets(finished, masks)
        with stage("draw") as advance:
            work = partial(draw_sheet, root=root, folder=parts, tile=tile)
            drawn = _draw(work, sheets, workers or default_workers(), advance)
        measures = [of for each in drawn for of in each.measures]
        with stage("write") as advance:
            _write_scripts(parts, finished, chosen, tile, list(masks), measures)
            name = publish(report, parts)
            page = _page(finished, chosen, measures, drawn, name)
            index = publish_index(report, name, page)
            advance(len(finished.shown), len(finished.shown))
    return index


def _mask_sizes(finished: FinishedBuild) -> Mapping[str, tuple[int, int]]:
    """Return width and height of the masks of the images that are shown, by path."""
    return {row.mask: (row.width, row.height) for row in finished.shown if row.mask is not None}


def _sheets(finished: FinishedBuild, masks: Mapping[str, tuple[int, int]]) -> list[Sheet]:
    images = cut_sheets(
        [row.path for row in finished.shown],
        [(row.width, row.height) for row in finished.shown],
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
    finished: FinishedBuild,
    chosen: contacts.Contacts,
    tile: Tile,
    masks: Sequence[str],
    measures: Sequence[Measures | None],
) -> None:
    templates = resources.files("visnet_aug.report") / "templates"
    for name in (_STYLE, *(f"{script}.js" for script in SCRIPTS)):
        write_file(parts / name, (templates / name).read_bytes())
    write_file(parts / "images.js", images_script(finished, chosen, tile, masks, measures))
    for name, data in record_scripts(finished.shown):
        write_file(parts / name, data)


def _page(
    finished: FinishedBuild,
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
        "name": finished.root.resolve().name,
        "parts": parts,
        "scripts": SCRIPTS,
        "set": overview(finished),
        "shown": len(finished.shown),
        "families": chosen.families,
        "styles": {family: finished.style(family) for family in finished.families},
        "rejected": chosen.rejected,
        "unusable": contacts.unusable_files(finished),
        "charts": distributions.charts(finished),
        "changes": distributions.changes(finished, measures),
        "most_files": _MOST_FILES,
        "unseen": [each for sheet in drawn for each in sheet.unseen],
    }
    page = environment.get_template("index.html.j2").render(context)
    return page.encode(errors="backslashreplace")  # a path may hold bytes that are no text
