"""What the four commands share: exit codes, epilogs and options.

Beside the errors only click is imported at the top: help must come at once.
"""

from __future__ import annotations

import click

from visnet_aug.command import as_it_is, completion


def epilog(command: str, codes: str, *examples: str) -> str:
    """Make a command's epilog: examples, exit codes, and how to get completion."""
    return "\n\n".join((as_it_is("Examples:", *examples), codes, completion(command)))


device_option = click.option(
    "--device",
    metavar="NAME",
    default="auto",
    show_default=True,
    help="Where the network runs: auto (a GPU if there is one), cpu, cuda, cuda:1, ...",
)


precision_option = click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "auto"]),
    default="fp32",
    show_default=True,
    help="What the network computes in; auto is bf16 where the hardware has it, which is faster.",
)
batch_size_option = click.option(
    "--batch-size",
    metavar="N",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Images embedded at once.",
)
