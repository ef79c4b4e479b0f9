"""The recipes that come with the package: YAML files for ``--recipe`` and ``--config``, by name.

Each describes a whole experiment: its ``build:`` section belongs to ``visnet-aug``, its ``train:``
section to ``visnet-train``.
"""

from __future__ import annotations

from pathlib import Path

DEFAULT = "market1501"
"""The recipe that writes out all defaults."""


def list_recipes() -> dict[str, str]:
    """Return the names of the packaged recipes, each with the first sentence of its file.

    Example:
        >>> from visnet_aug.recipes import list_recipes
        >>> list(list_recipes())
        ['demo', 'market1501', 'market1501-published']
    """
    files = sorted(Path(__file__).parent.glob("*.yaml"), key=lambda path: path.stem)
    return {path.stem: _first_sentence(path) for path in files}


def find_recipe(path: Path) -> Path:
    """Return the file that a user means: an existing one, or a packaged recipe of that name.

    Args:
        path: A path, or the bare name of a packaged recipe. A file goes before a name.

    Returns:
        The packaged file, or ``path`` itself, whether it exists or not.
    """
    if not path.is_file() and str(path) in list_recipes():
        return Path(__file__).parent / f"{path}.yaml"
    return path


def _first_sentence(path: Path) -> str:
    comment = path.read_text("utf-8").partition("\n\n")[0]
    words = " ".join(line.removeprefix("#").strip() for line in comment.splitlines())
    return words.partition(". ")[0].rstrip(".:") + "."
