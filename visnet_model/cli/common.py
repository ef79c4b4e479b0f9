"""What the four commands share: exit codes, epilogs and options.

Beside the errors only click is imported at the top: help must come at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from visnet_aug.command import as_it_is, completion

if TYPE_CHECKING:
    import torch


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


def choose_device(name: str) -> torch.device:
    """Turn ``--device`` into a device that is there.

    Raises:
        click.UsageError: There is no such device.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise click.UsageError(f"--device {name}: {reason}") from error
    if device.type == "cuda" and device.index is None:  # torch.cuda.set_device wants to know which
        return torch.device("cuda", torch.cuda.current_device())
    return device
