"""What pages show holds: links lead somewhere, commands can be typed, models read the YAML."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from docsite.commands import TOOLS
from visnet_aug.command import CONTEXT
from visnet_aug.recipe import parse_recipe
from visnet_model.config import TrainConfig

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "pipelines").rglob("*.md"),
        *(ROOT / "visnet_aug").rglob("*.md"),
    )
)
"""Every page that people read, relative to the root."""

LINK = re.compile(r"\]\(([^)\s]+)\)")
MENTION = re.compile(r"(?<![\w/])((?:docs|pipelines|benchmarks|docsite)/[\w./-]*\w)")
"""A path of the repository in a docstring, comment or message."""


def headings(page: str) -> set[str]:
    """Return the anchors of a page: those of headings, and of what mkdocstrings renders."""
    text = re.sub(r"^```.*?^```", "", read(page), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    rendered = set(re.findall(r"^::: (.+)$", text, re.MULTILINE))
    slugs = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {slug.strip().replace(" ", "-") for slug in slugs} | rendered


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_to_files_and_headings(page: str) -> None:
    broken = []
    for link in LINK.findall(read(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        known = target.suffix == ".md" and target.is_file()
        name = target.resolve().relative_to(ROOT).as_posix()
        if not target.exists() or (anchor and not (known and anchor in headings(name))):
            broken.append(link)
    assert broken == []


def test_files_that_code_speaks_of_are_there() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.yaml", "*.toml", "Makefile", ".ci/run"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    missing = []
    for name in listed.stdout.splitlines():
        if name.startswith("tests/") or not (ROOT / name).is_file():
            continue
        for mention in MENTION.findall((ROOT / name).read_text(encoding="utf-8")):
            if not (ROOT / mention).exists():
                missing.append(f"{name}: {mention}")
    assert missing == []


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def code_blocks(page: str, language: str | None = None) -> list[str]:
    """Return the fenced blocks of a language, or all code blocks but texts, indented ones too."""
    text = read(page)
    fenced = re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", text, re.DOTALL | re.MULTILINE)
    if language is not None:
        return [body for _, name, body in fenced if name == language]
    indented = re.findall(r"(?:^|\n\n)((?: {4}.*\n)+)", text)
    return [body for _, name, body in fenced if name != "text"] + indented


def shown_commands() -> Iterator[tuple[str, str]]:
    """Yield every whole command line of our tools in a code block, with its page."""
    for page in PAGES:
        for block in code_blocks(page):
            for line in block.replace("\\\n", " ").splitlines():
                command = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
                if re.match(r"visnet-\w+( |$)", command) and "..." not in command:
                    yield page, command


COMMANDS = sorted(set(shown_commands()))


def test_every_tool_is_described_and_shown() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert set(project["scripts"]) == set(TOOLS)
    assert {command.split()[0] for _, command in COMMANDS} == set(TOOLS)


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_are_accepted(page: str, line: str) -> None:
    name, *words = shlex.split(line, comments=True)
    words = words[: next((i for i, word in enumerate(words) if word in (">", "|", "&&")), None)]
    command = TOOLS[name]
    if isinstance(command, click.Group) and words:
        command = command.commands[words.pop(0)]
    try:
        command.make_context(name, words, **CONTEXT)
    except click.exceptions.Exit as left:  # --help, --version
        assert left.exit_code == 0


SHOWN_YAML = [(page, block) for page in PAGES for block in code_blocks(page, "yaml")]


@pytest.mark.parametrize(("page", "block"), SHOWN_YAML)
def test_settings_are_accepted(page: str, block: str) -> None:
    document = yaml.safe_load(block)
    assert set(document) <= {"build", "train"}
    if "build" in document:
        parse_recipe(block)
    if "train" in document:
        TrainConfig.model_validate(document["train"])
