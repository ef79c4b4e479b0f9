"""The number format that a network computes in."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch

from visnet_aug.hardware import computes_in_bf16

Precision: TypeAlias = Literal["auto", "bf16", "fp32"]


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Return the context in which to call a network.

    Args:
        device: Where it is.
        precision: ``auto`` is bf16 where the hardware has it, else fp32.
    """
    enabled = precision == "bf16" or (precision == "auto" and computes_in_bf16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
