"""Which device a network runs on, and whether it computes in bf16 there; for both tools.

torch is imported inside the functions: the command line knows the names of these options before
it needs torch.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from visnet_aug.errors import RecipeError

if TYPE_CHECKING:
    import torch

_X86 = frozenset({"x86_64", "amd64", "i386", "i686"})


def choose_device(name: str) -> torch.device:
    """Return the torch device of a name, after trying it.

    Args:
        name: ``auto`` (the first GPU, or the CPU where there is none), ``cpu``, ``cuda``,
            ``cuda:1``, ... ``cuda`` becomes the current GPU, with its index.

    Raises:
        RecipeError: This machine has no such device.

    Example:
        >>> from visnet_aug.hardware import choose_device
        >>> choose_device("cpu")
        device(type='cpu')
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise RecipeError(f"--device {name}: {reason}; try auto, cpu, cuda or cuda:0") from error
    if device.type == "cuda" and device.index is None:  # torch.cuda.set_device needs an index
        return torch.device("cuda", torch.cuda.current_device())
    return device


def computes_in_bf16(device: torch.device) -> bool:
    """Tell whether a device has bf16 arithmetic; where it is emulated, it is slower than fp32.

    Args:
        device: A CPU counts if it has AVX512_BF16, AMX or Arm's BF16 instructions, a GPU from
            NVIDIA's Ampere on; others don't.

    Example:
        >>> import torch
        >>> from visnet_aug.hardware import computes_in_bf16
        >>> computes_in_bf16(torch.device("meta"))
        False
    """
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    # oneDNN also accepts bf16 on x86 with AVX-512 alone and emulates it there. All processors with
    # AMX have AVX512_BF16, too.
    x86 = platform.machine().lower() in _X86
    return not x86 or bool(torch.cpu._is_avx512_bf16_supported())
