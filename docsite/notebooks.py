"""The notebooks of ``docs/notebooks``: run them, and turn them into pages of the site.

    python -m docsite.notebooks

runs each notebook, stores its outputs in it, and writes the page beside it. The site's generator
reads Markdown only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import nbformat
from nbclient import NotebookClient
from nbconvert.exporters import MarkdownExporter

FOLDER: Final = Path(__file__).parents[1] / "docs" / "notebooks"

SECONDS: Final = 600
"""Time limit of a cell."""


def run(path: Path) -> Any:
    """Run a notebook in a fresh kernel, in a folder of its own.

    Returns:
        The notebook with its outputs, without what differs from run to run.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": folder}})
        client.execute()
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            # Progress and warnings of libraries are of one machine.
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    return notebook


def page(path: Path) -> dict[Path, bytes]:
    """Turn a notebook with outputs into a page of the site.

    Returns:
        The page and its pictures, by path.
    """
    resources = {"output_files_dir": path.stem}
    notebook = nbformat.read(path, as_version=4)
    text, found = MarkdownExporter().from_notebook_node(notebook, resources)
    files = {path.parent / name: data for name, data in found["outputs"].items()}
    return {path.with_suffix(".md"): text.encode(), **files}


def main() -> None:
    """Run all notebooks and write their pages."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(run(path), path)
        for file, data in page(path).items():
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
        sys.stdout.write(f"{path.name}: run, and its page written\n")


if __name__ == "__main__":
    main()
