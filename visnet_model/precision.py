"""Where a network may compute in bf16."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch

Precision: TypeAlias = Literal["auto", "bf16", "fp32"]


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Return the context in which to call a network.

    Args:
        device: Where it is.
        precision: ``auto`` is bf16 where the hardware has it, else fp32.
    """
    enabled = precision == "bf16" or (precision == "auto" and has_bf16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def has_bf16(device: torch.device) -> bool:
    """Say whether a device multiplies bf16 in hardware; elsewhere it is slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False
