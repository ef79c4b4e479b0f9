"""Reference of the command lines: click's own commands to Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from docsite.markdown import blocks, code, fence, limits, table
from visnet_aug.cli.main import cli
from visnet_aug.command import CONTEXT
from visnet_model.cli import embed, evaluate, export, train

TOOLS: dict[str, click.Command] = {
    "visnet-aug": cli,
    "visnet-train": train.command,
    "visnet-eval": evaluate.command,
    "visnet-export": export.command,
    "visnet-embed": embed.command,
}
"""Every console script of the project, by name."""

_DEFAULT = re.compile(r"\s*\[default: (.*)\]$")
"""The end of a help text that states a default click does not know."""


def commands_reference() -> str:
    """Describe every tool and its commands."""
    return blocks(*(part for name, command in TOOLS.items() for part in _tool(name, command)))


def _tool(name: str, command: click.Command) -> Iterator[str]:
    yield f"## {name}"
    yield from _command(name, command)
    if isinstance(command, click.Group):
        for key, below in command.commands.items():
            yield f"### {name} {key}"
            yield from _command(f"{name} {key}", below)


def _command(name: str, command: click.Command) -> Iterator[str]:
    """Yield usage, help, options and epilog of one command."""
    context = click.Context(command, info_name=name, **CONTEXT)
    yield fence(" ".join([name, *command.collect_usage_pieces(context)]), "text")
    yield _literally(inspect.cleandoc(command.help or ""))
    options = [param for param in command.params if isinstance(param, click.Option)]
    if options:
        header = ("option", "values", "default", "meaning")
        yield table(header, (_option(option, context) for option in options))
    if isinstance(command, click.Group):
        commands = command.commands.items()
        links = ((f"[`{key}`](#{name}-{key})", below.short_help or "") for key, below in commands)
        yield table(("command", "what it does"), links)
    for block in (command.epilog or "").split("\n\n"):
        title, *lines = block.removeprefix("\b\n").splitlines()
        yield blocks(title, fence(inspect.cleandoc("\n".join(lines))))


def _option(option: click.Option, context: click.Context) -> tuple[str, str, str, str]:
    """Return an option's names, values, default and meaning."""
    text = " ".join((option.help or "").split())
    told = _DEFAULT.search(text)
    if told is not None:
        text, default = text[: told.start()], told[1]
    elif option.required:
        default = "required"
    else:
        default = option.get_help_extra(context).get("default", "")
    names = ", ".join(map(code, (*option.opts, *option.secondary_opts)))
    return names, _values(option, context), default, _literally(text)


def _values(option: click.Option, context: click.Context) -> str:
    """Describe the values that an option takes."""
    if option.is_flag:
        return ""
    kind = option.type
    words = ", ".join(map(code, option.make_metavar(context).strip("[]").split("|")))
    if isinstance(kind, click.IntRange | click.FloatRange):
        return f"{words}, {limits(kind.min, kind.max, kind.min_open, kind.max_open)}"
    return words


def _literally(text: str) -> str:
    """Escape what Markdown would interpret."""
    return text.replace("<", "&lt;").replace("*", "\\*")
